//! A stored answer as a file:
//!
//! ```text
//! "KIUASC1\n"  length of the head (4)  length of the body (8)  checksum of both lengths and the head (16)
//! checksum of the body (16)  head (JSON)  body
//! ```
//!
//! Numbers are little-endian; checksums are the first half of SHA-256.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cache::entry::{Content, Entry, Head};
use crate::cache::key::Key;
use crate::cache::policy::{Lifetime, Source as LifetimeSource};
use crate::cache::vary::Selection;
use crate::files::Source;

const MAGIC: &[u8; 8] = b"KIUASC1\n";
const PREAMBLE: usize = 8 + 4 + 8 + 16 + 16;
/// Heads of answers are bounded long before they come here.
const MOST_HEAD: u32 = 1 << 20;
const PIECE: usize = 128 << 10;

/// The head as it is written. Values may hold bytes that are no UTF-8: each byte is a character here.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    key: String,
    status: u16,
    fields: Vec<(String, String)>,
    vary: Vec<(String, Option<String>)>,
    tags: Vec<Box<str>>,
    initial_age: u32,
    since: u64,
    fresh_for: u32,
    while_revalidate: u32,
    if_error: u32,
    strict: bool,
    source: String,
}

/// What the index keeps of a file.
#[derive(Debug)]
pub(super) struct Summary {
    pub(super) key: Key,
    pub(super) head: Head,
    /// Of the file, in bytes.
    pub(super) size: u64,
}

struct Preamble {
    head: u32,
    body: u64,
    head_sum: [u8; 16],
    body_sum: [u8; 16],
}

fn bad(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn sum(hasher: Sha256) -> [u8; 16] {
    let mut sum = [0; 16];
    for (to, from) in sum.iter_mut().zip(hasher.finalize()) {
        *to = from;
    }
    sum
}

fn head_sum(head: &[u8], body: u64) -> io::Result<(u32, [u8; 16])> {
    let length = u32::try_from(head.len())
        .ok()
        .filter(|length| *length <= MOST_HEAD)
        .ok_or_else(|| bad("the head is too long"))?;
    let mut hasher = Sha256::new();
    hasher.update(length.to_le_bytes());
    hasher.update(body.to_le_bytes());
    hasher.update(head);
    Ok((length, sum(hasher)))
}

/// Writes `entry`; returns the length of the file.
pub(super) fn write(entry: &Entry, to: &mut File) -> io::Result<u64> {
    let head = serde_json::to_vec(&Written::of(entry))?;
    let length = entry.content.length();
    let (head_length, head_sum) = head_sum(&head, length)?;
    // The checksum of the body comes last, once the body was seen.
    to.write_all(&[0; PREAMBLE])?;
    to.write_all(&head)?;
    let body_sum = write_body(&entry.content, to)?;
    let mut preamble = Vec::with_capacity(PREAMBLE);
    preamble.extend_from_slice(MAGIC);
    preamble.extend_from_slice(&head_length.to_le_bytes());
    preamble.extend_from_slice(&length.to_le_bytes());
    preamble.extend_from_slice(&head_sum);
    preamble.extend_from_slice(&body_sum);
    to.write_all_at(&preamble, 0)?;
    Ok(u64::try_from(PREAMBLE + head.len()).unwrap_or(u64::MAX) + length)
}

fn write_body(content: &Content, to: &mut File) -> io::Result<[u8; 16]> {
    let mut hasher = Sha256::new();
    match content {
        Content::Memory(bytes) => {
            hasher.update(bytes);
            to.write_all(bytes)?;
        }
        Content::File {
            file,
            offset,
            length,
        } => {
            let mut at = *offset;
            let end = offset + length;
            while at < end {
                let piece = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
                let bytes = file.read(at, piece)?;
                hasher.update(&bytes);
                to.write_all(&bytes)?;
                at += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            }
        }
    }
    Ok(sum(hasher))
}

/// Reads and checks the head of the file at `path`, and its length.
pub(super) fn summary(path: &Path) -> io::Result<Summary> {
    let mut file = File::open(path)?;
    let (preamble, written) = open(&mut file)?;
    let size = size(&preamble);
    let (key, head) = written.into_head()?;
    Ok(Summary { key, head, size })
}

/// Reads the file at `path`; bodies up to `promoted` bytes into memory. `prove` checks the body of larger
/// ones as well.
pub(super) fn load(path: &Path, prove: bool, promoted: u64) -> io::Result<Entry> {
    let mut file = File::open(path)?;
    let (preamble, written) = open(&mut file)?;
    let (key, head) = written.into_head()?;
    let content = if preamble.body <= promoted {
        let mut body = vec![0; usize::try_from(preamble.body).unwrap_or_default()];
        file.read_exact(&mut body)?;
        let mut hasher = Sha256::new();
        hasher.update(&body);
        if sum(hasher) != preamble.body_sum {
            return Err(bad("the body is damaged"));
        }
        Content::Memory(Bytes::from(body))
    } else {
        if prove && body_sum(&mut file)? != preamble.body_sum {
            return Err(bad("the body is damaged"));
        }
        Content::File {
            offset: size(&preamble) - preamble.body,
            length: preamble.body,
            file: Arc::new(Source::of(file)?),
        }
    };
    Ok(Entry::new(key, head, content))
}

fn size(preamble: &Preamble) -> u64 {
    u64::try_from(PREAMBLE).unwrap_or_default() + u64::from(preamble.head) + preamble.body
}

fn body_sum(file: &mut File) -> io::Result<[u8; 16]> {
    let mut hasher = Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(sum(hasher)),
            read => hasher.update(piece.get(..read).unwrap_or_default()),
        }
    }
}

fn open(file: &mut File) -> io::Result<(Preamble, Written)> {
    let mut bytes = [0; PREAMBLE];
    file.read_exact(&mut bytes)?;
    let preamble = Preamble::parse(&bytes).ok_or_else(|| bad("this is no stored answer"))?;
    if preamble.head > MOST_HEAD || file.metadata()?.len() != size(&preamble) {
        return Err(bad("the file is incomplete"));
    }
    let mut head = vec![0; usize::try_from(preamble.head).unwrap_or_default()];
    file.read_exact(&mut head)?;
    if head_sum(&head, preamble.body)?.1 != preamble.head_sum {
        return Err(bad("the head is damaged"));
    }
    Ok((preamble, serde_json::from_slice(&head)?))
}

impl Preamble {
    fn parse(bytes: &[u8; PREAMBLE]) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (head, rest) = rest.split_first_chunk()?;
        let (body, rest) = rest.split_first_chunk()?;
        let (head_sum, rest) = rest.split_first_chunk()?;
        let (body_sum, _) = rest.split_first_chunk()?;
        Some(Self {
            head: u32::from_le_bytes(*head),
            body: u64::from_le_bytes(*body),
            head_sum: *head_sum,
            body_sum: *body_sum,
        })
    }
}

impl Written {
    fn of(entry: &Entry) -> Self {
        let head = &entry.head;
        let lifetime = &head.lifetime;
        Self {
            key: entry.key.as_str().to_owned(),
            status: head.status.as_u16(),
            fields: head
                .headers
                .iter()
                .map(|(name, value)| {
                    let value = value.as_bytes().iter().map(|byte| char::from(*byte));
                    (name.as_str().to_owned(), value.collect())
                })
                .collect(),
            vary: head
                .selection
                .fields()
                .iter()
                .map(|(name, value)| {
                    let value = value.as_ref().map(|value| value.to_string());
                    (name.as_str().to_owned(), value)
                })
                .collect(),
            tags: head.tags.clone(),
            initial_age: lifetime.initial_age,
            since: lifetime.since,
            fresh_for: lifetime.fresh_for,
            while_revalidate: lifetime.while_revalidate,
            if_error: lifetime.if_error,
            strict: lifetime.strict,
            source: lifetime.source.name().to_owned(),
        }
    }

    fn into_head(self) -> io::Result<(Key, Head)> {
        let name = |name: &str| {
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad("a field's name is damaged"))
        };
        let mut headers = HeaderMap::with_capacity(self.fields.len());
        for (field, value) in &self.fields {
            let bytes: Result<Vec<u8>, _> = value.chars().map(u8::try_from).collect();
            let value = bytes
                .ok()
                .and_then(|bytes| HeaderValue::from_bytes(&bytes).ok())
                .ok_or_else(|| bad("a field's value is damaged"))?;
            headers.append(name(field)?, value);
        }
        let mut fields = Vec::with_capacity(self.vary.len());
        for (field, value) in self.vary {
            fields.push((name(&field)?, value.map(Box::from)));
        }
        let lifetime = Lifetime {
            initial_age: self.initial_age,
            since: self.since,
            fresh_for: self.fresh_for,
            while_revalidate: self.while_revalidate,
            if_error: self.if_error,
            strict: self.strict,
            source: LifetimeSource::from_name(&self.source),
        };
        let head = Head {
            status: StatusCode::from_u16(self.status).map_err(|_| bad("the status is damaged"))?,
            selection: Selection::from_parts(fields, &headers),
            headers,
            lifetime,
            tags: self.tags,
        };
        let key = Key::parse(&self.key).ok_or_else(|| bad("the URL is damaged"))?;
        Ok((key, head))
    }
}
