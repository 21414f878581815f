//! What handlers and tasks share.

use std::path::Path;

use kiuas::common::postgres::Postgres;
use kiuas::queue::Queue;
use kiuas::web::{Cache, Live};

use crate::author::password::Passwords;
use crate::mail::Mailer;
use crate::settings::AppSettings;

/// What handlers and tasks share; one a process.
pub(crate) struct State {
    pub(crate) settings: AppSettings,
    pub(crate) postgres: Postgres,
    pub(crate) queue: Queue,
    pub(crate) cache: Cache,
    pub(crate) live: Live,
    pub(crate) passwords: Passwords,
    pub(crate) mailer: Mailer,
    /// True on servers, where letters are nobody's business.
    pub(crate) server: bool,
}

impl State {
    /// Where the mail catcher finds letters; `None` where it must not exist.
    pub(crate) fn mail_catcher(&self) -> Option<&Path> {
        self.mailer.directory().filter(|_| !self.server)
    }
}
