//! A question to a target whether it is well: one GET over a new connection.

use std::time::Instant;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};

use super::target::Target;
use crate::settings::HealthSettings;

/// An answer's body is read so far, for a human to look at; a longer one is no fault.
const MOST_BODY: usize = 4096;
const EXCERPT: usize = 200;

/// What became of the question.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Probe {
    /// The target is well.
    pub good: bool,
    /// The answer's status, if there was an answer.
    pub status: Option<u16>,
    /// The begin of its body, or why there was none.
    pub detail: String,
    /// How long it took.
    pub took_ms: u64,
}

impl std::fmt::Display for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.status {
            Some(status) => write!(f, "{status} after {} ms", self.took_ms)?,
            None => write!(f, "no answer after {} ms", self.took_ms)?,
        }
        if self.detail.is_empty() {
            Ok(())
        } else {
            write!(f, ": {}", self.detail)
        }
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Asks `target`. Ends after `health.timeout` at the latest.
pub async fn probe(target: &Target, health: &HealthSettings) -> Probe {
    let begun = Instant::now();
    let limit = health.timeout.duration();
    let outcome = tokio::time::timeout(limit, ask(target, health)).await;
    let took_ms = super::clock::millis(begun.elapsed());
    let (status, detail) = match outcome {
        Ok(Ok((status, body))) => (Some(status), body),
        Ok(Err(error)) => (None, causes(&*error)),
        Err(_) => (None, format!("no answer within {limit:?}")),
    };
    let good = status.is_some_and(|status| match health.status {
        0 => status.is_success() || status.is_redirection(),
        expected => status.as_u16() == expected,
    });
    Probe {
        good,
        status: status.map(|status| status.as_u16()),
        detail,
        took_ms,
    }
}

async fn ask(target: &Target, health: &HealthSettings) -> Result<(StatusCode, String), BoxError> {
    let stream = target.connect().await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(health.path.as_str())
        .header(HOST, health.host.as_str())
        .header(USER_AGENT, "kiuas-proxy")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let talk = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MOST_BODY)
            .collect()
            .await;
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        Ok((status, excerpt(&body)))
    };
    tokio::pin!(talk, connection);
    tokio::select! {
        biased;
        outcome = &mut talk => outcome,
        ended = &mut connection => {
            ended?;
            talk.await
        }
    }
}

/// One line without control characters.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(EXCERPT)
        .collect::<String>()
        .trim()
        .to_owned()
}

fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
