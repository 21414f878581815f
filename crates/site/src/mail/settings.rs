//! Section `[mail]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Section `[mail]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MailSettings {
    /// How letters leave.
    pub(crate) transport: Transport,
    /// Where `file` writes them; `/mail` shows them in development and testing.
    pub(crate) directory: PathBuf,
    /// `smtps://user:password@host:465`, `smtp://host:587?tls=required` or, on one machine,
    /// `smtp://127.0.0.1:25`. A secret if it has a password.
    pub(crate) url: String,
    /// The sender: `Name <name@example.org>`.
    pub(crate) from: String,
}

/// How letters leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transport {
    /// Into files, for development and tests.
    File,
    /// To a mail server.
    Smtp,
}

impl Default for MailSettings {
    fn default() -> Self {
        Self {
            transport: Transport::File,
            directory: PathBuf::from(".kiuas/mail"),
            url: "smtp://127.0.0.1:25".to_owned(),
            from: "Polls <polls@localhost>".to_owned(),
        }
    }
}
