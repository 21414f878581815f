//! The one name of a site with several.

use super::check::Problems;
use super::site::is_host;
use crate::settings::SiteSettings;

/// The canonical host of the site at `key`, in lower case.
pub(super) fn new(key: &str, site: &SiteSettings, problems: &mut Problems) -> Option<String> {
    let host = site.canonical.as_ref()?.to_ascii_lowercase();
    let covers = |pattern: &String| {
        let pattern = pattern.to_ascii_lowercase();
        match pattern.strip_prefix('*') {
            Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
            None => pattern == host,
        }
    };
    if is_host(&host) && site.hosts.0.iter().any(covers) {
        return Some(host);
    }
    problems.add(
        format_args!("{key}.canonical"),
        format!("`{host}` is none of the site's hosts: add it to `hosts`, or the redirection would never end"),
    );
    None
}
