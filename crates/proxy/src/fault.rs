//! What can go wrong with a request, and whose fault it is. The one place that turns faults into
//! statuses; [`crate::page`] makes the answers.

use http::StatusCode;

use crate::gate::Refusal;

/// Why a request did not get the answer it was after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It broke a rule of the gate.
    #[error("refused by the rule {}", .0.name())]
    Refused(Refusal),
    /// No site has this host.
    #[error("no site has this host")]
    NoSite,
    /// The connection was made for another site, whose visitors show other certificates or none.
    #[error("the connection was made for another site")]
    Misdirected,
    /// Only over HTTPS, where visitors show a certificate.
    #[error("a certificate is needed, which needs HTTPS")]
    NoCertificate,
    /// Nothing is served under this path.
    #[error("nothing is served under this path")]
    NotFound,
    /// The path exists, the method does not.
    #[error("only {0} are served here")]
    MethodNotAllowed(&'static str),
    /// The path exists, for other methods.
    #[error("this path is served for other methods")]
    OtherMethods,
    /// The visitor's address may not ask.
    #[error("the visitor's address may not ask")]
    Forbidden,
    /// No password, or a wrong one.
    #[error("no password, or a wrong one")]
    Unauthorized,
    /// Too many wrong passwords from one address.
    #[error("too many wrong passwords from one address")]
    ManyAttempts,
    /// Too many requests of one address at a time.
    #[error("too many requests of one address at a time")]
    Crowded,
    /// The whole request took longer than allowed.
    #[error("the whole request took longer than allowed")]
    TookTooLong,
    /// More often than a limit allows.
    #[error("more requests than a limit allows")]
    TooMany(StatusCode),
    /// Rewritten without end.
    #[error("the path was rewritten too often")]
    RewriteLoop,
    /// A condition of the request does not hold.
    #[error("a condition of the request does not hold")]
    PreconditionFailed,
    /// Its body is larger than allowed.
    #[error("the request's body is too large")]
    BodyTooLarge,
    /// Its body came too slowly.
    #[error("the request's body came too slowly")]
    BodySlow,
    /// Its body broke off.
    #[error("the request's body broke off")]
    BodyBroken,
    /// There is no room to take its body in.
    #[error("there is no room for the request's body")]
    SpoolFull,
    /// The application has too much to do.
    #[error("too many requests wait for the application")]
    Busy,
    /// None of its targets is up.
    #[error("no target of the upstream is up")]
    NoTarget,
    /// The circuit breaker is open, for so many more seconds.
    #[error("the circuit breaker of the upstream is open")]
    BreakerOpen(u16),
    /// An operator holds requests back, and this one was held for as long as it may be.
    #[error("the upstream is paused")]
    Paused,
    /// An operator works on it.
    #[error("maintenance")]
    Maintenance,
    /// The application's own answer is replaced by a page of ours.
    #[error("the application answered {0}")]
    Application(StatusCode),
    /// No target of the upstream takes connections.
    #[error("no target of the upstream takes connections")]
    Unreachable,
    /// No target took the connection in time.
    #[error("no target of the upstream took the connection in time")]
    ConnectTimeout,
    /// The application did not answer in time.
    #[error("the application did not answer in time")]
    ResponseTimeout,
    /// The application's answer broke off or is no HTTP.
    #[error("the application's answer broke off or is no HTTP")]
    BrokenAnswer,
    /// The visitor wanted what is stored, and nothing is.
    #[error("nothing is stored that the visitor would take")]
    NotCached,
    /// The proxy could not do its own part, such as reading a file.
    #[error("the proxy could not do its part")]
    Internal,
}

impl Fault {
    /// The answer's status.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Refused(refusal) => refusal.status(),
            Self::NoSite | Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::NoCertificate => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) | Self::OtherMethods => StatusCode::METHOD_NOT_ALLOWED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::ManyAttempts | Self::Crowded => StatusCode::TOO_MANY_REQUESTS,
            Self::TooMany(status) | Self::Application(status) => status,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodySlow => StatusCode::REQUEST_TIMEOUT,
            Self::SpoolFull => StatusCode::INSUFFICIENT_STORAGE,
            Self::BodyBroken => StatusCode::BAD_REQUEST,
            Self::Busy
            | Self::NoTarget
            | Self::BreakerOpen(_)
            | Self::Paused
            | Self::Maintenance => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unreachable | Self::BrokenAnswer => StatusCode::BAD_GATEWAY,
            Self::ConnectTimeout | Self::ResponseTimeout | Self::TookTooLong | Self::NotCached => {
                StatusCode::GATEWAY_TIMEOUT
            }
            Self::Internal | Self::RewriteLoop => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The circuit breaker is open for so many more milliseconds.
    pub(crate) fn breaker(left: u64) -> Self {
        Self::BreakerOpen(u16::try_from(left.div_ceil(1000)).unwrap_or(u16::MAX))
    }

    /// Seconds after which trying again may help.
    #[must_use]
    pub fn retry_after(self) -> Option<u16> {
        match self {
            Self::Busy => Some(2),
            Self::SpoolFull => Some(30),
            Self::NoTarget | Self::Paused => Some(5),
            Self::BreakerOpen(left) => Some(left.max(1)),
            Self::Maintenance => Some(60),
            _ => None,
        }
    }

    /// Its name in metrics when the request was refused, whatever it was for.
    #[must_use]
    pub fn rule(self) -> Option<&'static str> {
        match self {
            Self::Refused(refusal) => Some(refusal.name()),
            Self::NoSite => Some("unknown_host"),
            Self::Forbidden => Some("address"),
            Self::Unauthorized => Some("password"),
            Self::ManyAttempts => Some("password_attempts"),
            Self::TooMany(_) => Some("rate"),
            Self::Crowded => Some("requests_per_address"),
            _ => None,
        }
    }

    /// Its name in metrics when the application is to blame.
    #[must_use]
    pub fn upstream_kind(self) -> Option<&'static str> {
        match self {
            Self::Busy => Some("busy"),
            Self::NoTarget => Some("no_target"),
            Self::BreakerOpen(_) => Some("breaker_open"),
            Self::Paused => Some("paused"),
            Self::Unreachable => Some("unreachable"),
            Self::ConnectTimeout => Some("connect_timeout"),
            Self::ResponseTimeout => Some("response_timeout"),
            Self::BrokenAnswer => Some("broken_answer"),
            _ => None,
        }
    }

    /// True if what follows on the connection cannot be trusted to be a request: an HTTP/1 connection
    /// is closed after the answer.
    #[must_use]
    pub fn ends_connection(self) -> bool {
        matches!(
            self,
            Self::Refused(_)
                | Self::TookTooLong
                | Self::BodyTooLarge
                | Self::BodySlow
                | Self::BodyBroken
                | Self::SpoolFull
        )
    }
}
