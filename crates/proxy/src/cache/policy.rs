//! May an answer be stored, and for how long is it fresh (RFC 9111 3 and 4.2, RFC 5861)? Decided once,
//! when the answer arrives; what follows is arithmetic in [`Lifetime`].

mod lifetime;
#[cfg(test)]
mod tests;

use http::header::{
    AGE, AUTHORIZATION, COOKIE, DATE, EXPIRES, HeaderName, LAST_MODIFIED, SET_COOKIE, TRAILER,
};
use http::{HeaderMap, StatusCode};

pub use lifetime::Lifetime;

use super::control::{self, Directives};
use super::rules::Rules;
use super::vary::Selection;
use super::{date, targeted};

/// nginx's word for "cache it this long, whatever the other fields say".
pub const X_ACCEL_EXPIRES: HeaderName = HeaderName::from_static("x-accel-expires");

/// A heuristic lifetime never is longer than a day (RFC 9111 4.2.2 leaves the bound to us).
const MOST_HEURISTIC: u64 = 86_400;

/// Why an answer is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 5xx, 206, 304 and interim answers.
    #[error("answers with this status are never stored")]
    Status,
    /// The answer or the request says `no-store`.
    #[error("no-store")]
    NoStore,
    /// The answer says `private`.
    #[error("private")]
    Private,
    /// The answer sets a cookie.
    #[error("the answer sets a cookie")]
    SetCookie,
    /// RFC 9111 3.5.
    #[error("the request has credentials and the answer does not say that it may be shared")]
    Authorization,
    /// It can be used for no other request.
    #[error("Vary allows no other request")]
    Vary,
    /// It would be stale at once, and nothing could validate it.
    #[error("neither fresh nor possible to validate")]
    NotFresh,
    /// It announces trailers, which are not stored.
    #[error("it has trailers")]
    Trailers,
    /// Larger than the route's `max_size`, or than what is free for answers being stored.
    #[error("too large")]
    TooLarge,
}

impl Refusal {
    /// In a word, for `Cache-Status`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::NoStore => "no-store",
            Self::Private => "private",
            Self::SetCookie => "set-cookie",
            Self::Authorization => "authorization",
            Self::Vary => "vary",
            Self::NotFresh => "not-fresh",
            Self::Trailers => "trailers",
            Self::TooLarge => "too-large",
        }
    }
}

/// Where a lifetime comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// `X-Accel-Expires`.
    Accelerator,
    /// The route's `ttl` for this status.
    Ttl,
    /// `s-maxage`.
    SharedMaxAge,
    /// `max-age`.
    MaxAge,
    /// `Expires`.
    Expires,
    /// A tenth of the time since `Last-Modified`.
    Heuristic,
    /// The route's `default_ttl`.
    Default,
    /// Nothing: stale at once.
    Nothing,
}

impl Source {
    /// Its name in settings and header fields.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accelerator => "x-accel-expires",
            Self::Ttl => "ttl",
            Self::SharedMaxAge => "s-maxage",
            Self::MaxAge => "max-age",
            Self::Expires => "expires",
            Self::Heuristic => "heuristic",
            Self::Default => "default_ttl",
            Self::Nothing => "none",
        }
    }

    /// By its name.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        [
            Self::Accelerator,
            Self::Ttl,
            Self::SharedMaxAge,
            Self::MaxAge,
            Self::Expires,
            Self::Heuristic,
            Self::Default,
        ]
        .into_iter()
        .find(|source| source.name() == name)
        .unwrap_or(Self::Nothing)
    }
}

/// An answer that may be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storable {
    /// How long it may be used.
    pub lifetime: Lifetime,
    /// For which requests.
    pub selection: Selection,
    /// Fields that are not stored.
    pub withheld: Vec<HeaderName>,
}

/// The exchange that is judged.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// The request's fields.
    pub request: &'a HeaderMap,
    /// The request has a query.
    pub query: bool,
    /// The answer's status.
    pub status: StatusCode,
    /// The answer's fields.
    pub answer: &'a HeaderMap,
    /// When the request was sent, in milliseconds.
    pub asked: u64,
    /// When the answer came, in milliseconds.
    pub answered: u64,
}

impl Exchange<'_> {
    /// The verdict under `rules`.
    ///
    /// # Errors
    /// Why the answer must not be stored.
    pub fn judge(&self, rules: &Rules) -> Result<Storable, Refusal> {
        if !may_have_body_of_its_own(self.status) {
            return Err(Refusal::Status);
        }
        let targeted = targeted::directives(self.answer);
        let is_targeted = targeted.is_some();
        let directives = targeted.unwrap_or_else(|| Directives::of(self.answer));
        self.prohibited(&directives, rules)?;
        let selection = Selection::new(self.answer, self.request).map_err(|_| Refusal::Vary)?;
        let lifetime = self.lifetime(&directives, is_targeted, rules);
        if !lifetime.is_useful() && !self.has_validator() {
            return Err(Refusal::NotFresh);
        }
        Ok(Storable {
            lifetime,
            selection,
            withheld: directives.withheld,
        })
    }

    fn prohibited(&self, directives: &Directives, rules: &Rules) -> Result<(), Refusal> {
        let understood = directives.must_understand && is_understood(self.status);
        let asked = Directives::of_request(self.request);
        if (directives.no_store && !understood) || (asked.no_store && rules.obey_requests) {
            return Err(Refusal::NoStore);
        }
        if directives.must_understand && !is_understood(self.status) {
            return Err(Refusal::Status);
        }
        if directives.private {
            return Err(Refusal::Private);
        }
        if self.answer.contains_key(SET_COOKIE) {
            return Err(Refusal::SetCookie);
        }
        if self.answer.contains_key(TRAILER) {
            return Err(Refusal::Trailers);
        }
        let shared =
            directives.public || directives.must_revalidate || directives.s_maxage.is_some();
        if self.request.contains_key(AUTHORIZATION) && !shared {
            return Err(Refusal::Authorization);
        }
        Ok(())
    }

    fn has_validator(&self) -> bool {
        self.answer.contains_key(http::header::ETAG) || self.answer.contains_key(LAST_MODIFIED)
    }

    fn lifetime(&self, directives: &Directives, targeted: bool, rules: &Rules) -> Lifetime {
        let (fresh_for, source) = self.fresh_for(directives, targeted, rules);
        let strict = directives.must_revalidate || directives.proxy_revalidate;
        let own = |own: Option<u32>, default: u32| match own {
            _ if strict || directives.no_cache => 0,
            Some(own) => own,
            // `s-maxage` forbids stale answers (RFC 9111 5.2.2.10) unless the answer itself allows them.
            None if directives.s_maxage.is_some() => 0,
            None => default,
        };
        Lifetime {
            initial_age: self.initial_age(),
            since: self.answered,
            fresh_for: if directives.no_cache { 0 } else { fresh_for },
            while_revalidate: own(
                directives.stale_while_revalidate,
                rules.stale_while_revalidate,
            ),
            if_error: own(directives.stale_if_error, rules.stale_if_error),
            strict: strict || directives.no_cache || directives.s_maxage.is_some(),
            source,
        }
    }

    /// RFC 9111 4.2.1, with the words of nginx and of the settings in front.
    fn fresh_for(&self, directives: &Directives, targeted: bool, rules: &Rules) -> (u32, Source) {
        if let Some(seconds) = self.accelerated() {
            return (seconds, Source::Accelerator);
        }
        if let Some(seconds) = rules.ttl_of(self.status) {
            return (seconds, Source::Ttl);
        }
        if let Some(seconds) = directives.s_maxage {
            return (seconds, Source::SharedMaxAge);
        }
        if let Some(seconds) = directives.max_age {
            return (seconds, Source::MaxAge);
        }
        if !targeted && self.answer.contains_key(EXPIRES) {
            return (self.expires(), Source::Expires);
        }
        if let Some(seconds) = self.heuristic(directives, rules) {
            return (seconds, Source::Heuristic);
        }
        match rules.default_ttl {
            Some(seconds) if is_heuristic(self.status) && !self.has_cookies() => {
                (seconds, Source::Default)
            }
            _ => (0, Source::Nothing),
        }
    }

    /// A number of seconds, `@` with a point in time, `0` or `off`-like values for "not at all".
    fn accelerated(&self) -> Option<u32> {
        let value = self.answer.get(&X_ACCEL_EXPIRES)?.as_bytes().trim_ascii();
        Some(match value.strip_prefix(b"@") {
            Some(point) => {
                let point = u64::from(control::seconds(point).unwrap_or(0));
                bounded(point.saturating_sub(self.answered / 1000))
            }
            None => control::seconds(value).unwrap_or(0),
        })
    }

    /// The date of the answer; the moment it came if there is none.
    fn date(&self) -> u64 {
        date::field(self.answer, &DATE).unwrap_or(self.answered / 1000)
    }

    /// RFC 9111 5.3: an invalid date, as well as several, is the past.
    fn expires(&self) -> u32 {
        let expires = date::field(self.answer, &EXPIRES).unwrap_or(0);
        bounded(expires.saturating_sub(self.date()))
    }

    /// RFC 9111 4.2.2. Only what applications of all kinds expect: no query, no cookies.
    fn heuristic(&self, directives: &Directives, rules: &Rules) -> Option<u32> {
        let allowed = rules.heuristic
            && (is_heuristic(self.status) || directives.public)
            && !self.query
            && !self.has_cookies();
        let modified = date::field(self.answer, &LAST_MODIFIED).filter(|_| allowed)?;
        let unchanged = self.date().saturating_sub(modified);
        Some(bounded((unchanged / 10).min(MOST_HEURISTIC)))
    }

    fn has_cookies(&self) -> bool {
        self.request.contains_key(COOKIE)
    }

    /// RFC 9111 4.2.3, `corrected_initial_age`.
    fn initial_age(&self) -> u32 {
        let apparent = (self.answered / 1000).saturating_sub(self.date());
        let delay = self.answered.saturating_sub(self.asked) / 1000;
        let told = u64::from(age_field(self.answer).unwrap_or(0));
        bounded(apparent.max(told.saturating_add(delay)))
    }
}

/// RFC 9111 5.1: of several values the first counts, what is no number is ignored.
fn age_field(headers: &HeaderMap) -> Option<u32> {
    let value = headers.get(AGE)?.as_bytes();
    let first = value.split(|byte| *byte == b',').next()?;
    control::seconds(first.trim_ascii())
}

fn bounded(seconds: u64) -> u32 {
    u32::try_from(seconds)
        .unwrap_or(control::MOST_SECONDS)
        .min(control::MOST_SECONDS)
}

fn may_have_body_of_its_own(status: StatusCode) -> bool {
    (200..500).contains(&status.as_u16())
        && ![StatusCode::PARTIAL_CONTENT, StatusCode::NOT_MODIFIED].contains(&status)
}

/// Statuses whose caching rules are built in here (for `must-understand`).
fn is_understood(status: StatusCode) -> bool {
    is_heuristic(status) || [302, 303, 307].contains(&status.as_u16())
}

/// RFC 9110 15.1, without those that are never stored here.
fn is_heuristic(status: StatusCode) -> bool {
    [200, 203, 204, 300, 301, 308, 404, 405, 410, 414].contains(&status.as_u16())
}
