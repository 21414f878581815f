//! Section `[web]`.

use std::fmt;
use std::time::Duration;

use kiuas_common::{Address, Bytes, Environment, Period};
use serde::{Deserialize, Serialize, Serializer};

/// How long the proxy keeps an idle connection to an application: part of the drain contract, which is
/// this limit < `web.idle_grace` < `web.keep_alive`.
pub const UPSTREAM_IDLE: Duration = Duration::from_secs(4);

const DEVELOPMENT_KEY: &str = "development key, known to everybody";
const SHORTEST_KEY: usize = 32;

/// Section `[web]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebSettings {
    /// Where to listen when no socket is inherited.
    pub listen: Address,
    /// Threads, each with its own event loop.
    pub threads: usize,
    /// Open connections a thread; further ones wait in the kernel's queue.
    pub connections: usize,
    /// Where `/healthz`, `/readyz` and `/metrics` are served; absent: nowhere.
    pub admin: Option<Address>,
    /// An idle connection is closed after this long.
    pub keep_alive: Period,
    /// During a drain, idle connections stay open at least this long, so that a request which the
    /// proxy is just sending is answered.
    pub idle_grace: Period,
    /// Longest drain; what runs then is cut off.
    pub drain_timeout: Period,
    /// During a drain, WebSockets and event streams have this long to end, which they are told to do.
    pub endless_timeout: Period,
    /// Longest run of a handler, from the head of the request to the head of its answer; it is dropped then
    /// and the visitor gets a 504.
    pub request_timeout: Period,
    /// Longest time that nothing of an answer moves after its head: its body brings no more, or its client
    /// takes no more. It is cut then, with its connection. Bodies without an end may bring nothing for as
    /// long as they like.
    pub send_timeout: Period,
    /// Requests whose answers took longer are logged. Absent: none.
    pub slow_request: Option<Period>,
    /// A handler that holds its thread so long after its time is over is ended by the pool, with its
    /// process.
    pub hard_grace: Period,
    /// A request that has waited so long since the proxy sent it is answered with 503 and not begun.
    pub queue_timeout: Period,
    /// Requests that run at once in the process, from the begin of the handler to the end of the answer;
    /// WebSockets and event streams do not count. Absent: as many as there are connections.
    pub concurrency: Option<usize>,
    /// Longest wait for one of those places; a 503 follows.
    pub concurrency_wait: Period,
    /// Requests that wait for a place at once; further ones get a 503 immediately.
    pub concurrency_waiters: usize,
    /// Largest request body.
    pub body_limit: Bytes,
    /// Longest wait for the head of a request.
    pub head_timeout: Period,
    /// Signs session cookies and CSRF tokens; 32 bytes or more, secret, the same in all processes.
    pub secret_key: SecretKey,
    /// A session ends this long after its last change.
    pub session_lifetime: Period,
    /// Marks cookies `Secure` even if the request did not arrive by HTTPS.
    pub secure_cookies: bool,
}

impl Default for WebSettings {
    fn default() -> Self {
        Self {
            listen: Address::Tcp(([127, 0, 0, 1], 8000).into()),
            threads: 1,
            connections: 1024,
            admin: None,
            keep_alive: Period::seconds(75),
            idle_grace: Period::seconds(5),
            drain_timeout: Period::seconds(30),
            endless_timeout: Period::seconds(10),
            request_timeout: Period::seconds(30),
            send_timeout: Period::seconds(60),
            slow_request: None,
            hard_grace: Period::seconds(10),
            queue_timeout: Period::seconds(10),
            concurrency: None,
            concurrency_wait: Period::seconds(1),
            concurrency_waiters: 100,
            body_limit: Bytes::mebibytes(2),
            head_timeout: Period::seconds(10),
            secret_key: SecretKey(DEVELOPMENT_KEY.to_owned()),
            session_lifetime: Period::seconds(14 * 24 * 3600),
            secure_cookies: false,
        }
    }
}

/// Why a value of `[web]` is refused although it has the right form.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebSettingsError {
    /// The drain contract does not hold.
    #[error(
        "`web.idle_grace` = `{idle_grace}` and `web.keep_alive` = `{keep_alive}` would lose requests in a drain: \
         4s (the proxy's idle limit) < web.idle_grace < web.keep_alive must hold"
    )]
    DrainContract {
        /// Value of `web.idle_grace`.
        idle_grace: Period,
        /// Value of `web.keep_alive`.
        keep_alive: Period,
    },
    /// A number must not be zero.
    #[error("`{key}` is 0: it must be more")]
    Zero {
        /// The dotted key.
        key: &'static str,
    },
    /// The secret key is too weak for a server.
    #[error(
        "`web.secret_key` {problem}, which `{environment}` refuses: set KIUAS__WEB__SECRET_KEY_FILE to a file \
         with at least 32 random bytes, such as the output of `openssl rand -base64 48`"
    )]
    SecretKey {
        /// What is wrong with it.
        problem: &'static str,
        /// Where the process runs.
        environment: Environment,
    },
}

impl WebSettings {
    /// Checks what a type cannot express.
    ///
    /// # Errors
    /// The drain contract does not hold, a count is zero, or a server has a weak key.
    pub fn check(&self, environment: Environment) -> Result<(), WebSettingsError> {
        let grace = self.idle_grace.duration();
        if grace <= UPSTREAM_IDLE || grace >= self.keep_alive.duration() {
            return Err(WebSettingsError::DrainContract {
                idle_grace: self.idle_grace,
                keep_alive: self.keep_alive,
            });
        }
        for (key, value) in [
            ("web.threads", self.threads),
            ("web.connections", self.connections),
            ("web.concurrency", self.concurrency.unwrap_or(1)),
        ] {
            if value == 0 {
                return Err(WebSettingsError::Zero { key });
            }
        }
        if self.send_timeout.duration().is_zero() {
            let key = "web.send_timeout";
            return Err(WebSettingsError::Zero { key });
        }
        match self.secret_key.weakness() {
            Some(problem) if environment.is_server() => Err(WebSettingsError::SecretKey {
                problem,
                environment,
            }),
            _ => Ok(()),
        }
    }
}

/// The application's secret. It never prints.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct SecretKey(String);

impl SecretKey {
    /// A key from text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn weakness(&self) -> Option<&'static str> {
        if self.0 == DEVELOPMENT_KEY {
            Some("is the development key")
        } else if self.0.len() < SHORTEST_KEY {
            Some("is shorter than 32 bytes")
        } else {
            None
        }
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Serialize for SecretKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("[redacted]")
    }
}

#[cfg(test)]
mod tests;
