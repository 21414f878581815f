//! Static files: conditional requests, ranges, and no way out of the directory.
//!
//! File system calls run on the thread's blocking pool, never on the event loop. A small file is read
//! whole by the same call that opens it; a large one piece by piece as the visitor reads.

mod body;
mod conditional;
mod etag;
mod open;
mod range;
mod respond;
#[cfg(test)]
mod tests;

use http::{HeaderMap, Method, Response};

pub use body::FileBody;

use crate::body::Outbound;
use crate::fault::Fault;
use crate::plan::Files;
use open::{Found, OpenError};

const ALLOWED: &str = "GET, HEAD";

/// Answers with the file at `path`, which is what follows the route's prefix in the (still escaped)
/// request path `whole`.
///
/// # Errors
/// [`Fault::NotFound`] for everything that is no readable file inside the directory, whatever the
/// reason: a visitor learns nothing about what lies there.
pub async fn answer(
    files: &Files,
    method: &Method,
    whole: &str,
    path: &str,
    headers: &HeaderMap,
) -> Result<Response<Outbound>, Fault> {
    if method != Method::GET && method != Method::HEAD {
        return Err(Fault::MethodNotAllowed(ALLOWED));
    }
    let parts = open::parts(path).ok_or(Fault::NotFound)?;
    let root = files.root.clone();
    let directory = path.is_empty() || path.ends_with('/');
    let found = tokio::task::spawn_blocking(move || open::open(&root, &parts, directory))
        .await
        .map_err(|_| Fault::Internal)?;
    match found {
        Ok(Found::File(file)) => respond::file(file, files, method, headers),
        Ok(Found::Directory) => Ok(respond::to_directory(whole)),
        Err(OpenError::NotFound) => Err(Fault::NotFound),
        Err(OpenError::Failed(error)) => {
            tracing::error!(%error, "cannot read a static file below `{}`", files.root.display());
            Err(Fault::Internal)
        }
    }
}
