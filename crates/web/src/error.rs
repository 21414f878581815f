//! What a handler may fail with, and the one place where a failure becomes an HTTP answer.
//!
//! A handler returns `Result<_, WebError>` and uses `?` on anything: an unknown error is a 500 whose
//! cause is logged and never shown. The answer's form (HTML, JSON or text) is decided by
//! [`crate::boundary`], which knows what the visitor accepts.

mod page;

use std::error::Error as StdError;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};

pub use page::ErrorPage;
pub(crate) use page::{Form, render};

type Cause = Box<dyn StdError + Send + Sync>;

/// A failed request.
pub struct WebError {
    status: StatusCode,
    detail: Option<String>,
    cause: Option<Cause>,
}

/// What is told to the visitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Status of the answer.
    pub status: StatusCode,
    /// A sentence for the visitor, if the status alone does not say enough.
    pub detail: Option<String>,
    /// Finds the request in the logs.
    pub request_id: String,
}

impl WebError {
    /// An answer with `status` and a sentence for the visitor.
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: Some(detail.into()),
            cause: None,
        }
    }

    /// An answer with `status` alone.
    #[must_use]
    pub fn status_only(status: StatusCode) -> Self {
        Self {
            status,
            detail: None,
            cause: None,
        }
    }

    /// 404.
    #[must_use]
    pub fn not_found() -> Self {
        Self::status_only(StatusCode::NOT_FOUND)
    }

    /// 403 with the reason.
    #[must_use]
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// 400 with what is wrong.
    #[must_use]
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 409 with what is in the way.
    #[must_use]
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// 500 for something that is no `std::error::Error`.
    #[must_use]
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            detail: None,
            cause: Some(cause.into()),
        }
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The sentence for the visitor.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// What went wrong underneath; logged, never shown to visitors of a server.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.cause.as_deref()
    }
}

/// Everything unknown is a 500: this is why `WebError` is no `std::error::Error` itself.
impl<E: StdError + Send + Sync + 'static> From<E> for WebError {
    fn from(error: E) -> Self {
        Self::internal(error)
    }
}

impl fmt::Display for WebError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if let Some(detail) = &self.detail {
            write!(f, ": {detail}")?;
        }
        let mut next = self.cause().map(|cause| cause as &dyn StdError);
        while let Some(error) = next {
            write!(f, ": {error}")?;
            next = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for WebError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl ResponseError for WebError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        // The boundary fills it in: it knows the visitor's form and the request id.
        HttpResponse::new(self.status)
    }
}

#[cfg(test)]
mod tests;
