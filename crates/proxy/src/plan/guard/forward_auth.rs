//! `forward_auth`: another application says who may ask.

use std::time::Duration;

use http::{HeaderName, Uri};

use super::Exceptions;
use crate::plan::check::{Problems, nearest};
use crate::settings::ForwardAuthSettings;

/// Who is asked, and what for.
#[derive(Debug, Clone)]
pub struct ForwardAuth {
    /// Index of the upstream.
    pub upstream: usize,
    /// The path of the question.
    pub target: Uri,
    /// Fields of the request that it sees; `None`: all.
    pub copy_request: Option<Vec<HeaderName>>,
    /// Fields of its answer that the application sees.
    pub copy_answer: Vec<HeaderName>,
    /// How long it may take.
    pub timeout: Duration,
    /// Where it is not asked.
    pub except: Exceptions,
}

impl ForwardAuth {
    pub(super) fn new(
        key: &str,
        settings: &ForwardAuthSettings,
        upstreams: &[&str],
        problems: &mut Problems,
    ) -> Option<Self> {
        let key = format!("{key}.forward_auth");
        let name = settings.upstream.as_str();
        let upstream = upstreams.iter().position(|other| *other == name);
        if upstream.is_none() {
            let problem = format!(
                "there is no `[proxy.upstreams.{name}]`{}",
                nearest(name, upstreams)
            );
            problems.add(format_args!("{key}.upstream"), problem);
        }
        let target = settings
            .path
            .parse::<Uri>()
            .ok()
            .filter(|uri| settings.path.starts_with('/') && uri.authority().is_none());
        if target.is_none() {
            let problem = format!("`{}` must be a path such as `/verify`", settings.path);
            problems.add(format_args!("{key}.path"), problem);
        }
        if settings.timeout.duration().is_zero() {
            problems.add(format_args!("{key}.timeout"), "must be longer than 0");
        }
        let mut names = |list: &str, names: &[String]| {
            let mut found = Vec::new();
            for name in names {
                match HeaderName::from_bytes(name.as_bytes()) {
                    Ok(name) => found.push(name),
                    Err(_) => problems.add(
                        format_args!("{key}.{list}"),
                        format!("`{}` is no name of a header field", name.escape_debug()),
                    ),
                }
            }
            found
        };
        let copy_request = settings
            .copy_request
            .as_ref()
            .map(|list| names("copy_request", list));
        let copy_answer = names("copy_answer", &settings.copy_answer);
        Some(Self {
            upstream: upstream?,
            target: target?,
            copy_request,
            copy_answer,
            timeout: settings.timeout.duration(),
            except: Exceptions::new(&key, &settings.except, problems),
        })
    }
}
