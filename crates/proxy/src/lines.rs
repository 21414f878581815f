//! Fields of an answer as HTTP/1 writes them: made once, changed in place, and written by a copy. Most
//! answers pass without anybody asking for a map of their fields; who needs one makes it
//! ([`Lines::to_map`]).

use std::cell::RefCell;
use std::fmt;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// Sets of lines kept by a thread to be used again, and the largest one that is kept.
const MOST_SPARE: usize = 64;
const MOST_KEPT: usize = 8 * 1024;
/// Between a name and its value, and behind the value.
const COLON: &[u8] = b": ";
const END: &[u8] = b"\r\n";

thread_local! {
    static SPARE: RefCell<Vec<Buffers>> = const { RefCell::new(Vec::new()) };
}

/// Fields, in order; names in lower case. Every name is a token and every value a field's value: who adds
/// them has made sure of that.
#[derive(Default)]
pub struct Lines(Buffers);

#[derive(Default)]
struct Buffers {
    /// Lines; those that were removed are still in it.
    text: Vec<u8>,
    places: Vec<Place>,
}

/// Where a line is, its end included.
#[derive(Clone, Copy)]
struct Place {
    start: usize,
    name: usize,
    end: usize,
}

impl Lines {
    /// None yet, in memory that was used before.
    #[must_use]
    pub fn new() -> Self {
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop());
        Self(spare.ok().flatten().unwrap_or_default())
    }

    /// The fields of `map`.
    #[must_use]
    pub fn of(map: &HeaderMap) -> Self {
        let mut lines = Self::new();
        for (name, value) in map {
            lines.push(name.as_str().as_bytes(), value.as_bytes());
        }
        lines
    }

    /// Adds a field.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        let Buffers { text, places } = &mut self.0;
        let start = text.len();
        text.reserve(name.len() + COLON.len() + value.len() + END.len());
        text.extend_from_slice(name);
        if let Some(name) = text.get_mut(start..) {
            name.make_ascii_lowercase();
        }
        text.extend_from_slice(COLON);
        text.extend_from_slice(value);
        text.extend_from_slice(END);
        places.push(Place {
            start,
            name: name.len(),
            end: text.len(),
        });
    }

    /// Adds a field from a line that is as it should be: name, colon, one space, value, CR LF; `name` is the
    /// length of the first.
    pub fn push_line(&mut self, line: &[u8], name: usize) {
        let Buffers { text, places } = &mut self.0;
        let start = text.len();
        text.extend_from_slice(line);
        if let Some(name) = text.get_mut(start..start + name) {
            name.make_ascii_lowercase();
        }
        let end = text.len();
        places.push(Place { start, name, end });
    }

    /// The name of the last field.
    #[must_use]
    pub fn last_name(&self) -> &[u8] {
        self.0.places.last().map_or(&[], |place| self.name(*place))
    }

    /// Takes the last field away.
    pub fn pop(&mut self) {
        if let Some(last) = self.0.places.pop() {
            self.0.text.truncate(last.start);
        }
    }

    /// Takes every field of this name away; `name` is in lower case.
    pub fn remove(&mut self, name: &[u8]) {
        let Buffers { text, places } = &mut self.0;
        places.retain(|place| place.name_in(text) != name);
    }

    /// Bytes of memory.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.text.len() + self.0.places.len() * size_of::<Place>()
    }

    /// True if there is a field of this name, which is in lower case.
    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        self.iter().any(|(other, _)| other == name)
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let places = self.0.places.iter();
        places.map(|place| (self.name(*place), self.value(*place)))
    }

    /// As a map.
    #[must_use]
    pub fn to_map(&self) -> HeaderMap {
        let text = Bytes::copy_from_slice(&self.0.text);
        let mut map = HeaderMap::with_capacity(self.0.places.len());
        for place in &self.0.places {
            let name = HeaderName::from_bytes(self.name(*place));
            let (from, to) = place.value();
            let value = match from < to {
                true => text.slice(from..to),
                false => Bytes::new(),
            };
            // What was added is no reason for either to fail.
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_maybe_shared(value)) {
                map.append(name, value);
            }
        }
        map
    }

    fn name(&self, place: Place) -> &[u8] {
        place.name_in(&self.0.text)
    }

    fn value(&self, place: Place) -> &[u8] {
        let (from, to) = place.value();
        self.slice(from, to)
    }

    fn slice(&self, from: usize, to: usize) -> &[u8] {
        self.0.text.get(from..to).unwrap_or_default()
    }
}

impl Place {
    fn name_in(self, text: &[u8]) -> &[u8] {
        text.get(self.start..self.start + self.name)
            .unwrap_or_default()
    }

    fn value(self) -> (usize, usize) {
        let from = self.start + self.name + COLON.len();
        (from, self.end - END.len())
    }
}

impl Clone for Lines {
    fn clone(&self) -> Self {
        let mut copy = Self::new();
        copy.0.text.extend_from_slice(&self.0.text);
        copy.0.places.extend_from_slice(&self.0.places);
        copy
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let mut buffers = std::mem::take(&mut self.0);
        let size = buffers.text.capacity();
        if size == 0 || size > MOST_KEPT {
            return;
        }
        buffers.text.clear();
        buffers.places.clear();
        // The thread may be ending.
        SPARE
            .try_with(|spare| {
                let mut spare = spare.borrow_mut();
                if spare.len() < MOST_SPARE {
                    spare.push(buffers);
                }
            })
            .unwrap_or_default();
    }
}

impl PartialEq for Lines {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Lines {}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let fields = self.iter().map(|(name, value)| (text(name), text(value)));
        f.debug_map().entries(fields).finish()
    }
}

/// Fields of an answer that rules change, in either form.
pub trait Fields {
    /// True if there is a field of this name.
    fn has(&self, name: &HeaderName) -> bool;
    /// Takes all fields of this name away.
    fn take_out(&mut self, name: &HeaderName);
    /// Adds a field.
    fn add(&mut self, name: &HeaderName, value: &HeaderValue);
    /// Sets a field to `text`, which is visible ASCII.
    fn set_text(&mut self, name: &HeaderName, text: &[u8]);

    /// Writes those that `keeps` is true for, given name and value, as HTTP/1 has them.
    fn write(&self, out: &mut Vec<u8>, keeps: impl FnMut(&[u8], &[u8]) -> bool);

    /// Adds a field in the place of all others of this name.
    fn set(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.take_out(name);
        self.add(name, value);
    }
}

impl Fields for HeaderMap {
    fn has(&self, name: &HeaderName) -> bool {
        self.contains_key(name)
    }

    fn take_out(&mut self, name: &HeaderName) {
        self.remove(name);
    }

    fn add(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.append(name.clone(), value.clone());
    }

    fn set_text(&mut self, name: &HeaderName, text: &[u8]) {
        if let Ok(value) = HeaderValue::from_bytes(text) {
            self.insert(name.clone(), value);
        }
    }

    fn set(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.insert(name.clone(), value.clone());
    }

    fn write(&self, out: &mut Vec<u8>, mut keeps: impl FnMut(&[u8], &[u8]) -> bool) {
        for (name, value) in self {
            let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
            if keeps(name, value) {
                for part in [name, COLON, value, END] {
                    out.extend_from_slice(part);
                }
            }
        }
    }
}

impl Fields for Lines {
    fn has(&self, name: &HeaderName) -> bool {
        self.contains(name.as_str().as_bytes())
    }

    fn take_out(&mut self, name: &HeaderName) {
        self.remove(name.as_str().as_bytes());
    }

    fn add(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.push(name.as_str().as_bytes(), value.as_bytes());
    }

    fn set_text(&mut self, name: &HeaderName, text: &[u8]) {
        self.take_out(name);
        self.push(name.as_str().as_bytes(), text);
    }

    fn write(&self, out: &mut Vec<u8>, mut keeps: impl FnMut(&[u8], &[u8]) -> bool) {
        // Neighbours go together.
        let mut run = 0..0;
        for place in &self.0.places {
            if !keeps(self.name(*place), self.value(*place)) {
                continue;
            }
            if place.start != run.end {
                out.extend_from_slice(self.slice(run.start, run.end));
                run.start = place.start;
            }
            run.end = place.end;
        }
        out.extend_from_slice(self.slice(run.start, run.end));
    }
}

#[cfg(test)]
mod tests;
