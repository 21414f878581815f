//! Who may ask, and how often: what the settings of a site and a route say together.

mod access;
mod forward_auth;
mod password;
mod rate;
#[cfg(test)]
mod tests;

pub use access::Access;
pub use forward_auth::ForwardAuth;
pub use password::Password;
pub use rate::{Limit, RateKey};

use super::check::Problems;
use crate::settings::{RouteSettings, Satisfy, SiteSettings, Switch};

/// Of a site or a route.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    /// There is something to check.
    pub is_on: bool,
    /// By address.
    pub access: Option<Access>,
    /// By password.
    pub password: Option<Password>,
    /// By a word of another application.
    pub forward_auth: Option<ForwardAuth>,
    /// One of the three is enough.
    pub any: bool,
    /// How often.
    pub limits: Vec<Limit>,
}

impl Guard {
    /// A site's.
    pub(super) fn of_site(
        key: &str,
        site: &SiteSettings,
        upstreams: &[&str],
        problems: &mut Problems,
    ) -> Self {
        let name = site.hosts.0.first().map_or("", String::as_str);
        let written = Written {
            access: site.access.as_ref(),
            password: site.password.as_ref(),
            forward_auth: site.forward_auth.as_ref(),
            satisfy: site.satisfy,
            rate: site.rate.as_deref(),
        };
        Self::default().with(key, name, &written, upstreams, problems)
    }

    /// A route's: `self` is its site's, called `site`.
    pub(super) fn of_route(
        &self,
        key: &str,
        route: &RouteSettings,
        upstreams: &[&str],
        problems: &mut Problems,
    ) -> Self {
        let written = Written {
            access: route.access.as_ref(),
            password: route.password.as_ref(),
            forward_auth: route.forward_auth.as_ref(),
            satisfy: route.satisfy,
            rate: route.rate.as_deref(),
        };
        // Its place in the settings is the name of a route's limits: they live on over a reload.
        self.with(key, key, &written, upstreams, problems)
    }

    fn with(
        &self,
        key: &str,
        name: &str,
        written: &Written<'_>,
        upstreams: &[&str],
        problems: &mut Problems,
    ) -> Self {
        let mut guard = self.clone();
        if let Some(switch) = written.access {
            guard.access = on(switch).and_then(|it| Access::new(key, it, problems));
        }
        if let Some(switch) = written.password {
            guard.password = on(switch).and_then(|it| Password::new(key, it, problems));
        }
        if let Some(switch) = written.forward_auth {
            guard.forward_auth =
                on(switch).and_then(|it| ForwardAuth::new(key, it, upstreams, problems));
        }
        if let Some(satisfy) = written.satisfy {
            guard.any = satisfy == Satisfy::Any;
        }
        if let Some(limits) = written.rate {
            guard.limits = rate::all(key, name, limits, problems);
        }
        guard.is_on = guard.access.is_some()
            || guard.password.is_some()
            || guard.forward_auth.is_some()
            || !guard.limits.is_empty();
        guard
    }
}

struct Written<'a> {
    access: Option<&'a Switch<crate::settings::AccessSettings>>,
    password: Option<&'a Switch<crate::settings::PasswordSettings>>,
    forward_auth: Option<&'a Switch<crate::settings::ForwardAuthSettings>>,
    satisfy: Option<Satisfy>,
    rate: Option<&'a [crate::settings::RateSettings]>,
}

fn on<T>(switch: &Switch<T>) -> Option<&T> {
    match switch {
        Switch::On(it) => Some(it),
        Switch::Off(_) => None,
    }
}

/// Paths that are free: exact, or everything below if they end in `/`.
#[derive(Debug, Clone, Default)]
pub struct Exceptions(Vec<String>);

impl Exceptions {
    fn new(key: &str, paths: &[String], problems: &mut Problems) -> Self {
        for path in paths.iter().filter(|path| !path.starts_with('/')) {
            problems.add(
                format_args!("{key}.except"),
                format!(
                    "`{path}` must begin with `/`: one path, or all below it if it ends in `/`"
                ),
            );
        }
        let normal = |path: &String| super::path::normal(path).into_owned();
        Self(paths.iter().map(normal).collect())
    }

    /// True if `path`, in its normal form, is free.
    #[must_use]
    pub fn cover(&self, path: &str) -> bool {
        self.0
            .iter()
            .any(|free| path == free || (free.ends_with('/') && path.starts_with(free.as_str())))
    }
}
