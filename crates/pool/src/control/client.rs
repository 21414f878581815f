//! The command line's end of the control socket.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::{Answer, LONGEST_ANSWER, Request};

const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// Why there is no answer, or not the one hoped for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CtlError {
    /// There is no socket.
    #[error(
        "there is no control socket at {}: no pool of that name runs as this user; \
         `--name` names another pool, `--control` the socket itself",
        .0.display()
    )]
    Absent(PathBuf),
    /// There is a socket and no pool behind it.
    #[error(
        "the pool of {} is gone without removing its control socket, as it does when it is killed: start it again",
        .0.display()
    )]
    Gone(PathBuf),
    /// The socket belongs to somebody else.
    #[error(
        "the control socket {} is open to its owner alone{}: run this as that user, or as root",
        path.display(),
        owner.map_or_else(String::new, |owner| format!(", user {owner}"))
    )]
    Forbidden {
        /// Where.
        path: PathBuf,
        /// Whose it is, where that can be seen.
        owner: Option<u32>,
    },
    /// Nobody answers.
    #[error("no pool answers at {}", path.display())]
    Connect {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The conversation broke off.
    #[error("the pool's answer cannot be read")]
    Answer(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer in time.
    #[error("the pool did not answer within {}", crate::report::time(*.0))]
    Late(Duration),
    /// It was not done.
    #[error("{0}")]
    Refused(String),
}

impl CtlError {
    fn connecting(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Self::Absent(path),
            io::ErrorKind::ConnectionRefused => Self::Gone(path),
            io::ErrorKind::PermissionDenied => Self::Forbidden {
                owner: std::fs::symlink_metadata(&path).ok().map(|it| it.uid()),
                path,
            },
            _ => Self::Connect { path, source },
        }
    }
}

/// Asks the pool behind the socket `path`.
///
/// # Errors
/// [`CtlError`].
pub async fn ask(path: &Path, request: &Request, patience: Duration) -> Result<Value, CtlError> {
    tokio::time::timeout(patience, talk(path, request))
        .await
        .map_err(|_| CtlError::Late(patience))?
}

async fn talk(path: &Path, request: &Request) -> Result<Value, CtlError> {
    let failed = |source| CtlError::connecting(path, source);
    let stream = tokio::time::timeout(CONNECT_DEADLINE, UnixStream::connect(path))
        .await
        .map_err(|_| failed(io::ErrorKind::TimedOut.into()))?
        .map_err(failed)?;
    let text = exchange(stream, request).await.map_err(CtlError::Answer)?;
    match serde_json::from_slice(&text).map_err(|error| CtlError::Answer(error.into()))? {
        Answer::Ok(value) => Ok(value),
        Answer::Error(problem) => Err(CtlError::Refused(problem)),
    }
}

async fn exchange(
    mut stream: UnixStream,
    request: &Request,
) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut text = Vec::new();
    let limit = u64::try_from(LONGEST_ANSWER).unwrap_or(u64::MAX);
    stream.take(limit).read_to_end(&mut text).await?;
    Ok(text)
}
