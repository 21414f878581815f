//! Mail: letters as files in development, over SMTP on servers.
//!
//! A letter has an id of its own, which becomes its `Message-ID` and its file's name: a letter that is
//! sent again after a crash can be recognised as the same one, by mail systems too.

pub(crate) mod catcher;
mod settings;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use serde::{Deserialize, Serialize};

pub(crate) use settings::{MailSettings, Transport};

/// Longest wait for the mail server, for each step of the conversation.
const PATIENCE: Duration = Duration::from_secs(15);

/// What can go wrong with mail.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MailError {
    #[error("`mail.from` = `{0}` is no mailbox: write `Name <name@example.org>`")]
    From(String, #[source] lettre::address::AddressError),
    #[error("`mail.url` is no SMTP URL: write smtps://user:password@host:465 or smtp://host:25")]
    Url(#[source] lettre::transport::smtp::Error),
    #[error("`{0}` is no mailbox")]
    To(String, #[source] lettre::address::AddressError),
    #[error("cannot put the letter `{0}` together")]
    Write(String, #[source] lettre::error::Error),
    #[error("the mail server did not take the letter `{0}`")]
    Send(String, #[source] lettre::transport::smtp::Error),
    #[error("cannot write the letter to `{0}`")]
    File(PathBuf, #[source] io::Error),
    #[error("cannot describe the letter in JSON")]
    Describe(#[from] serde_json::Error),
}

/// A letter to send.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    /// Lower-case letters, digits and dashes; the same for the same letter.
    pub(crate) id: String,
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
}

/// A letter that was written to a file, as the mail catcher shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Caught {
    pub(crate) id: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) sent_at: Timestamp,
}

/// Sends letters.
#[derive(Debug, Clone)]
pub(crate) struct Mailer {
    from: Mailbox,
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    Directory(PathBuf),
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
}

impl Mailer {
    pub(crate) fn new(settings: &MailSettings) -> Result<Self, MailError> {
        let from = settings
            .from
            .parse()
            .map_err(|source| MailError::From(settings.from.clone(), source))?;
        let way = match settings.transport {
            Transport::File => Way::Directory(settings.directory.clone()),
            Transport::Smtp => Way::Smtp(
                AsyncSmtpTransport::<Tokio1Executor>::from_url(&settings.url)
                    .map_err(MailError::Url)?
                    .timeout(Some(PATIENCE))
                    .build(),
            ),
        };
        Ok(Self { from, way })
    }

    /// Where letters are written, if they are.
    pub(crate) fn directory(&self) -> Option<&Path> {
        match &self.way {
            Way::Directory(directory) => Some(directory),
            Way::Smtp(_) => None,
        }
    }

    /// Sends `letter`. Written to a file, the same letter twice is one letter.
    pub(crate) async fn send(&self, letter: &Letter) -> Result<(), MailError> {
        let message = self.message(letter)?;
        match &self.way {
            Way::Directory(directory) => self.write(directory, letter, &message).await,
            Way::Smtp(transport) => transport
                .send(message)
                .await
                .map(drop)
                .map_err(|source| MailError::Send(letter.id.clone(), source)),
        }
    }

    fn message(&self, letter: &Letter) -> Result<Message, MailError> {
        let to: Mailbox = letter
            .to
            .parse()
            .map_err(|source| MailError::To(letter.to.clone(), source))?;
        let id = format!("<{}@{}>", letter.id, self.from.email.domain());
        Message::builder()
            .from(self.from.clone())
            .to(to)
            .date(SystemTime::now())
            .message_id(Some(id))
            .subject(&letter.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(letter.text.clone())
            .map_err(|source| MailError::Write(letter.id.clone(), source))
    }

    async fn write(
        &self,
        directory: &Path,
        letter: &Letter,
        message: &Message,
    ) -> Result<(), MailError> {
        let caught = Caught {
            id: letter.id.clone(),
            from: self.from.to_string(),
            to: letter.to.clone(),
            subject: letter.subject.clone(),
            text: letter.text.clone(),
            sent_at: Timestamp::now(),
        };
        let describe = serde_json::to_vec_pretty(&caught)?;
        put(
            directory,
            &format!("{}.eml", letter.id),
            &message.formatted(),
        )
        .await?;
        // Last, because the catcher lists the descriptions.
        put(directory, &format!("{}.json", letter.id), &describe).await
    }
}

/// Writes a file that is never seen half written.
async fn put(directory: &Path, name: &str, bytes: &[u8]) -> Result<(), MailError> {
    let path = directory.join(name);
    let draft = directory.join(format!(".{name}.{}", std::process::id()));
    let write = async {
        tokio::fs::create_dir_all(directory).await?;
        tokio::fs::write(&draft, bytes).await?;
        tokio::fs::rename(&draft, &path).await
    };
    write
        .await
        .map_err(|source| MailError::File(path.clone(), source))
}

#[cfg(test)]
mod tests;
