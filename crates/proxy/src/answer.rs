//! An answer on its way from whoever made it to the visitor.

use http::{Response, StatusCode};

use crate::lines::{Fields, Lines};

/// An answer, with its fields in the form that costs its maker least.
#[derive(Debug)]
pub enum Answer<B> {
    /// Made or changed here.
    Made(Response<B>),
    /// As an application, a file or the cache has it.
    Lined(Lined<B>),
}

/// An answer whose fields are lines.
#[derive(Debug)]
pub struct Lined<B> {
    /// The status.
    pub status: StatusCode,
    /// The fields.
    pub lines: Lines,
    /// The body.
    pub body: B,
}

impl<B> Answer<B> {
    /// With these fields.
    #[must_use]
    pub fn lined(status: StatusCode, lines: Lines, body: B) -> Self {
        Self::Lined(Lined {
            status,
            lines,
            body,
        })
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Made(response) => response.status(),
            Self::Lined(lined) => lined.status,
        }
    }

    /// Lets `change` change the fields.
    pub fn change(&mut self, change: impl Change) {
        match self {
            Self::Made(response) => change.apply(response.headers_mut()),
            Self::Lined(lined) => change.apply(&mut lined.lines),
        }
    }

    /// With another body.
    pub fn map<C>(self, change: impl FnOnce(B) -> C) -> Answer<C> {
        match self {
            Self::Made(response) => Answer::Made(response.map(change)),
            Self::Lined(Lined {
                status,
                lines,
                body,
            }) => Answer::Lined(Lined {
                status,
                lines,
                body: change(body),
            }),
        }
    }

    /// With its fields in a map.
    #[must_use]
    pub fn into_response(self) -> Response<B> {
        match self {
            Self::Made(response) => response,
            Self::Lined(lined) => {
                let mut response = Response::new(lined.body);
                *response.status_mut() = lined.status;
                *response.headers_mut() = lined.lines.to_map();
                response
            }
        }
    }
}

impl<B> From<Response<B>> for Answer<B> {
    fn from(response: Response<B>) -> Self {
        Self::Made(response)
    }
}

/// A change of an answer's fields, in whichever form they are.
pub trait Change {
    /// Makes it.
    fn apply(self, fields: &mut impl Fields);
}
