//! `password`: by htpasswd file.

use std::sync::Arc;

use http::HeaderValue;

use super::Exceptions;
use crate::password::PasswordFile;
use crate::plan::check::Problems;
use crate::settings::PasswordSettings;

/// A password is asked for.
#[derive(Debug, Clone)]
pub struct Password {
    /// Whose.
    pub file: Arc<PasswordFile>,
    /// `WWW-Authenticate`.
    pub challenge: HeaderValue,
    /// Where none is asked for.
    pub except: Exceptions,
    /// The application sees `Authorization`.
    pub pass: bool,
}

impl Password {
    pub(super) fn new(
        key: &str,
        settings: &PasswordSettings,
        problems: &mut Problems,
    ) -> Option<Self> {
        let key = format!("{key}.password");
        let except = Exceptions::new(&key, &settings.except, problems);
        let realm = &settings.realm;
        let plain = |c: char| (' '..='~').contains(&c) && c != '"' && c != '\\';
        if realm.is_empty() || !realm.chars().all(plain) {
            let problem = format!(
                "`{}` must be plain text without quotes",
                realm.escape_debug()
            );
            problems.add(format_args!("{key}.realm"), problem);
            return None;
        }
        // RFC 7617 2.1.
        let challenge = format!("Basic realm=\"{realm}\", charset=\"UTF-8\"");
        let challenge = HeaderValue::from_str(&challenge).ok()?;
        let file = PasswordFile::open(&settings.file)
            .map_err(|found| {
                for problem in found {
                    problems.add(format_args!("{key}.file"), problem);
                }
            })
            .ok()?;
        Some(Self {
            file,
            challenge,
            except,
            pass: settings.pass,
        })
    }
}
