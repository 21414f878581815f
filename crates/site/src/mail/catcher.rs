//! The mail catcher: shows the letters that were written to files. Development and testing only; on
//! servers its pages do not exist.

pub(crate) mod handlers;

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Caught;

/// Letters that are shown; older ones stay in the directory.
const SHOWN: usize = 100;
/// Directory entries that are looked at.
const LOOKED_AT: usize = 20_000;
const LONGEST_ID: usize = 100;

/// The newest letters in `directory`, newest first.
pub(crate) async fn list(directory: &Path) -> io::Result<Vec<Caught>> {
    let mut files = match files(directory).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        files => files?,
    };
    files.sort_unstable_by(|one, other| other.cmp(one));
    let mut letters = Vec::new();
    for (_, path) in files.into_iter().take(SHOWN) {
        letters.extend(read(&path).await?);
    }
    letters.sort_by_key(|letter| std::cmp::Reverse(letter.sent_at));
    Ok(letters)
}

/// The letter `id`.
pub(crate) async fn find(directory: &Path, id: &str) -> io::Result<Option<Caught>> {
    if !is_id(id) {
        return Ok(None);
    }
    read(&directory.join(format!("{id}.json"))).await
}

fn is_id(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= LONGEST_ID && text.bytes().all(allowed)
}

async fn files(directory: &Path) -> io::Result<Vec<(SystemTime, PathBuf)>> {
    let mut entries = tokio::fs::read_dir(directory).await?;
    let mut files = Vec::new();
    for _ in 0..LOOKED_AT {
        let Some(entry) = entries.next_entry().await? else {
            break;
        };
        let path = entry.path();
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !hidden
            && path
                .extension()
                .is_some_and(|extension| extension == "json")
        {
            files.push((entry.metadata().await?.modified()?, path));
        }
    }
    Ok(files)
}

/// A description; what is none is left out.
async fn read(path: &Path) -> io::Result<Option<Caught>> {
    match tokio::fs::read(path).await {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
