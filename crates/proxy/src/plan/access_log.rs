//! What is logged of which request, and where.

use std::path::{Path, PathBuf};

use http::header::{AUTHORIZATION, COOKIE, HeaderName, PROXY_AUTHORIZATION, SET_COOKIE};

use super::check::Problems;
use crate::settings::{AccessLogSettings, LogFormat};

/// Secrets by their nature: no setting logs them.
const NEVER: [HeaderName; 4] = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE, SET_COOKIE];
const LEAST_BUFFER: usize = 4 << 10;
const MOST_BUFFER: usize = 4 << 20;

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Appended to a file.
    File(PathBuf),
}

/// [`AccessLogSettings`], checked.
#[derive(Debug, Clone, PartialEq)]
pub struct LogPlan {
    /// How a line looks.
    pub format: LogFormat,
    /// Where it goes.
    pub target: LogTarget,
    /// Of all requests, as a part of `u32::MAX`.
    pub sample: u32,
    /// Failures are logged always.
    pub errors: bool,
    exclude: Vec<(String, bool)>,
    /// In lower case.
    pub redact: Vec<String>,
    /// Fields of the request to log.
    pub headers: Vec<HeaderName>,
    /// In bytes.
    pub buffer: usize,
}

impl LogPlan {
    pub(super) fn new(settings: &AccessLogSettings, problems: &mut Problems) -> Self {
        let mut wrong = |key: &str, problem: String| {
            problems.add(format_args!("access_log.{key}"), problem);
        };
        if !(0.0..=1.0).contains(&settings.sample) {
            wrong(
                "sample",
                format!(
                    "{} is no part of all requests: write 0 to 1",
                    settings.sample
                ),
            );
        }
        let mut headers = Vec::new();
        for name in &settings.headers.0 {
            match HeaderName::from_bytes(name.as_bytes()) {
                Ok(name) if NEVER.contains(&name) => {
                    wrong("headers", format!("`{name}` is a secret and never logged"));
                }
                Ok(name) => headers.push(name),
                Err(_) => wrong("headers", format!("`{name}` is no name of a header field")),
            }
        }
        for path in &settings.exclude.0 {
            if !path.starts_with('/') {
                wrong("exclude", format!("`{path}` must begin with `/`"));
            }
        }
        let buffer = settings.buffer.length();
        if !(LEAST_BUFFER..=MOST_BUFFER).contains(&buffer) {
            wrong(
                "buffer",
                format!("{} must be 4KiB to 4MiB", settings.buffer),
            );
        }
        let target = target(&settings.path);
        if let (
            LogTarget::File(path),
            LogFormat::Combined | LogFormat::CombinedPlus | LogFormat::Json,
        ) = (&target, settings.format)
            && let Some(problem) = no_directory(path)
        {
            wrong("path", problem);
        }
        Self {
            format: settings.format,
            target,
            sample: share(settings.sample),
            errors: settings.errors,
            exclude: settings
                .exclude
                .0
                .iter()
                .map(|path| pattern(path))
                .collect(),
            redact: settings
                .redact
                .0
                .iter()
                .map(|name| name.to_ascii_lowercase())
                .collect(),
            headers,
            buffer,
        }
    }

    /// True for a path that is not logged.
    #[must_use]
    pub fn excludes(&self, path: &str) -> bool {
        self.exclude.iter().any(|(known, begins)| {
            if *begins {
                path.starts_with(known.as_str())
            } else {
                path == known
            }
        })
    }
}

/// The path or what it begins with, and which of the two.
fn pattern(path: &str) -> (String, bool) {
    match path.strip_suffix('*') {
        Some(begin) => (begin.to_owned(), true),
        None => (path.to_owned(), false),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float cast saturates, and the value was checked to be 0 to 1"
)]
fn share(sample: f64) -> u32 {
    (sample * f64::from(u32::MAX)) as u32
}

fn target(path: &Path) -> LogTarget {
    match path.to_str() {
        Some("stdout") => LogTarget::Stdout,
        Some("stderr") => LogTarget::Stderr,
        _ => LogTarget::File(path.to_owned()),
    }
}

fn no_directory(path: &Path) -> Option<String> {
    if path.is_dir() {
        return Some(format!("{} is a directory: write a file", path.display()));
    }
    let directory = match path.parent() {
        None => return Some(format!("`{}` is no file", path.display())),
        Some(directory) if directory.as_os_str().is_empty() => Path::new("."),
        Some(directory) => directory,
    };
    (!directory.is_dir()).then(|| format!("there is no directory {}", directory.display()))
}
