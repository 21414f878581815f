//! Static files: conditional requests, ranges, compressed siblings, and no way out of the directory.
//!
//! What is asked for often is answered from the thread's table of hot files without a system call.
//! Everything else about paths and disks happens on the thread's blocking pool, never on the event
//! loop: [`find`](self) tries the names, and what it finds goes into the table.

mod body;
mod conditional;
mod entry;
pub(crate) mod etag;
mod find;
mod listing;
mod media;
mod open;
mod path;
mod range;
mod respond;
mod source;
mod table;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, HeaderValue, Method};
use rustix::io::Errno;

pub use body::{FileBody, Segment};
pub use path::parts;
pub use range::{Asked, Span, parse as parse_range};
pub use source::Source;
pub use table::Table;

use crate::answer::Answer;
use crate::body::Outbound;
use crate::fault::Fault;
use crate::plan::{Fallback, Files};
use entry::Entry;
use find::{Found, Search};
use table::Known;

const ALLOWED: &str = "GET, HEAD";

/// What is asked for.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The thread's table.
    pub table: &'a Table,
    /// The route's files.
    pub files: &'a Arc<Files>,
    /// The request's method.
    pub method: &'a Method,
    /// The request's fields.
    pub headers: &'a HeaderMap,
    /// The request's path, still escaped.
    pub whole: &'a str,
    /// The request's query.
    pub query: Option<&'a str>,
    /// What of the path follows the route's prefix.
    pub path: &'a str,
    /// Instead of the media type that the name has.
    pub media_type: Option<&'a HeaderValue>,
}

/// Answers with a file; `None` if there is none and the settings leave the request to somebody else.
///
/// # Errors
/// [`Fault::NotFound`] for everything that is no readable file inside the directory, whatever the
/// reason: a visitor learns nothing about what lies there.
pub async fn answer(wanted: &Wanted<'_>) -> Result<Option<Answer<Outbound>>, Fault> {
    let readable = wanted.method == Method::GET || wanted.method == Method::HEAD;
    let last = wanted.files.fallback == Fallback::NotFound;
    if !readable && last {
        return Err(Fault::MethodNotAllowed(ALLOWED));
    }
    // Twice: a file that was changed since it was opened is looked up again.
    for _ in 0..2 {
        let Some((key, found)) = wanted.find().await? else {
            return if last { Err(Fault::NotFound) } else { Ok(None) };
        };
        if !readable {
            return Err(Fault::MethodNotAllowed(ALLOWED));
        }
        match found {
            Found::File(entry) => match respond::file(&entry, wanted) {
                Some(answer) => return answer.map(Some),
                None => wanted.table.forget(wanted.files.id, key),
            },
            Found::Directory => {
                return Ok(Some(
                    respond::to_directory(wanted.whole, wanted.query).into(),
                ));
            }
            Found::Listing(page) => return Ok(Some(respond::listing(page, wanted.method).into())),
        }
    }
    // It changes faster than it can be opened.
    Err(Fault::Internal)
}

impl Wanted<'_> {
    /// What lies under the path or, if nothing does, the fixed file that stands for it; with its key.
    async fn find(&self) -> Result<Option<(&str, Found)>, Fault> {
        let now = Instant::now();
        let table = self.table;
        match table.known(self.files.id, self.path, now) {
            Known::Found(found) => return Ok(Some((self.path, found))),
            Known::Missing => {}
            Known::Unsure(old) => {
                let well_known = self.whole.starts_with("/.well-known/");
                let Some(parts) = parts(self.path, well_known) else {
                    // Not even the fixed file stands for a hidden name.
                    return Ok(None);
                };
                let directory = self.path.is_empty() || self.path.ends_with('/');
                let search = self.search(parts, directory, false, old);
                if let Some(found) = self.look(self.path, search, now).await? {
                    return Ok(Some((self.path, found)));
                }
            }
        }
        for fixed in &self.files.fixed {
            let found = match table.known(self.files.id, &fixed.key, now) {
                Known::Found(found) => Some(found),
                Known::Missing => None,
                Known::Unsure(old) => {
                    let search = self.search(fixed.parts.clone(), false, true, old);
                    self.look(&fixed.key, search, now).await?
                }
            };
            if let Some(found) = found {
                return Ok(Some((&fixed.key, found)));
            }
        }
        Ok(None)
    }

    fn search(
        &self,
        parts: Vec<OsString>,
        directory: bool,
        fixed: bool,
        old: Option<Arc<Entry>>,
    ) -> Search {
        Search {
            files: Arc::clone(self.files),
            parts,
            directory,
            fixed,
            largest: self.table.hot().largest,
            old,
        }
    }

    /// Looks at the disk and remembers what is there.
    async fn look(&self, key: &str, search: Search, now: Instant) -> Result<Option<Found>, Fault> {
        let outcome = tokio::task::spawn_blocking(move || search.run())
            .await
            .map_err(|_| Fault::Internal)?;
        let found = outcome.map_err(|error| self.failed(&error))?;
        self.table.learn(self.files.id, key, found.as_ref(), now);
        Ok(found)
    }

    fn failed(&self, error: &io::Error) -> Fault {
        tracing::error!(
            %error,
            "cannot read a static file below `{}`",
            self.files.root.display()
        );
        let full = [Errno::MFILE, Errno::NFILE].map(|errno| Some(errno.raw_os_error()));
        if full.contains(&error.raw_os_error()) {
            self.table.clear();
        }
        Fault::Internal
    }
}
