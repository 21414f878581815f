//! Bodies that are compressed while they are sent, and what a thread needs for that.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::hash::RandomState;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body, Frame};
use quick_cache::Weighter;
use quick_cache::unsync::{Cache, DefaultLifecycle};

use super::coder::{self, Coder, Levels};
use super::negotiate::Encoding;
use crate::body::{BoxError, Outbound};

/// Bodies in memory up to this length are compressed at once.
const AT_ONCE: usize = 64 * 1024;
/// What is compressed in one step.
const STEP: usize = 16 * 1024;
/// After so many bytes the thread's other visitors have their turn.
const TURN: usize = 64 * 1024;
/// Encoders at work, each with up to about a mebibyte; beyond, answers go out as they are.
const MOST_ENCODERS: usize = 128;
/// Compressed forms of bodies in memory, with these bodies: bytes.
const MEMORY: u64 = 8 << 20;

/// One thread's means to compress.
pub struct Compressor {
    encoders: Rc<Cell<usize>>,
    known: RefCell<Cache<Key, Known, Weight, RandomState>>,
}

/// A body in memory, by its place: [`Known`] keeps the place from being used for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    place: usize,
    length: usize,
    encoding: Encoding,
    levels: Levels,
}

#[derive(Debug)]
struct Known {
    plain: Bytes,
    compressed: Bytes,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Known> for Weight {
    fn weight(&self, _: &Key, known: &Known) -> u64 {
        u64::try_from(known.plain.len() + known.compressed.len() + 128).unwrap_or(u64::MAX)
    }
}

impl Default for Compressor {
    fn default() -> Self {
        Self {
            encoders: Rc::default(),
            known: RefCell::new(Cache::with(
                256,
                MEMORY,
                Weight,
                RandomState::new(),
                DefaultLifecycle::default(),
            )),
        }
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor")
            .field("encoders", &self.encoders.get())
            .finish_non_exhaustive()
    }
}

impl Compressor {
    /// `body`, to be compressed; gives it back if too much is being compressed already.
    pub(super) fn compress(
        &self,
        body: Outbound,
        encoding: Encoding,
        levels: Levels,
        comes_again: bool,
    ) -> Result<Outbound, Outbound> {
        if let Outbound::Memory(Some(plain)) = &body
            && plain.len() <= AT_ONCE
            && let Ok(bytes) = if comes_again {
                self.once(plain, encoding, levels)
            } else {
                coder::whole(encoding, levels, plain)
            }
        {
            return Ok(Outbound::full(bytes));
        }
        if self.encoders.get() >= MOST_ENCODERS {
            return Err(body);
        }
        let Ok(coder) = Coder::new(encoding, levels) else {
            return Err(body);
        };
        let place = Place::take(&self.encoders);
        Ok(Outbound::Compressed(Box::new(Compressed {
            source: body,
            work: Some((coder, place)),
            input: Bytes::new(),
            unflushed: false,
            since_pause: 0,
            trailers: None,
        })))
    }

    /// Files and cached answers are the same bytes again and again: they are compressed once.
    fn once(&self, plain: &Bytes, encoding: Encoding, levels: Levels) -> io::Result<Bytes> {
        let key = Key {
            place: plain.as_ptr().addr(),
            length: plain.len(),
            encoding,
            levels,
        };
        if let Some(known) = self.known.borrow().get(&key) {
            return Ok(known.compressed.clone());
        }
        let compressed = coder::whole(encoding, levels, plain)?;
        let known = Known {
            plain: plain.clone(),
            compressed: compressed.clone(),
        };
        self.known.borrow_mut().insert(key, known);
        Ok(compressed)
    }
}

/// A place among the encoders at work.
#[derive(Debug)]
struct Place(Rc<Cell<usize>>);

impl Place {
    fn take(encoders: &Rc<Cell<usize>>) -> Self {
        encoders.set(encoders.get() + 1);
        Self(Rc::clone(encoders))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// A body that is compressed piece by piece. What the source has sent before a pause is sent on in the
/// pause: an application that answers in pieces reaches its visitors in pieces.
pub struct Compressed {
    source: Outbound,
    /// `None` once everything is compressed.
    work: Option<(Coder, Place)>,
    input: Bytes,
    unflushed: bool,
    since_pause: usize,
    trailers: Option<HeaderMap>,
}

impl fmt::Debug for Compressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressed")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Compressed {
    /// One step of what has come in; `None` if there is nothing.
    fn step(&mut self) -> Option<io::Result<Bytes>> {
        let (coder, _) = self.work.as_mut()?;
        if self.input.is_empty() {
            return None;
        }
        let piece = self.input.split_to(self.input.len().min(STEP));
        self.since_pause += piece.len();
        self.unflushed = true;
        Some(coder.write(&piece))
    }

    fn pause(&mut self) -> io::Result<Bytes> {
        self.since_pause = 0;
        match &mut self.work {
            Some((coder, _)) if self.unflushed => {
                self.unflushed = false;
                coder.flush()
            }
            _ => Ok(Bytes::new()),
        }
    }

    fn finish(&mut self) -> io::Result<Bytes> {
        self.work
            .take()
            .map_or_else(|| Ok(Bytes::new()), |(coder, _)| coder.finish())
    }

    /// The next bytes; `None` at the end of them.
    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        while self.work.is_some() {
            if self.since_pause >= TURN {
                self.since_pause = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let ready = match self.step() {
                Some(ready) => ready,
                None => match Pin::new(&mut self.source).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => self.take_in(frame),
                    Poll::Ready(Some(Err(error))) => {
                        self.work = None;
                        return Poll::Ready(Some(Err(error)));
                    }
                    Poll::Ready(None) => self.finish(),
                    Poll::Pending => match self.pause() {
                        Ok(bytes) if bytes.is_empty() => return Poll::Pending,
                        ready => ready,
                    },
                },
            };
            match ready {
                Ok(bytes) if bytes.is_empty() => {}
                ready => return Poll::Ready(Some(ready.map_err(Into::into))),
            }
        }
        Poll::Ready(None)
    }

    fn take_in(&mut self, frame: Frame<Bytes>) -> io::Result<Bytes> {
        match frame.into_data() {
            Ok(bytes) => {
                self.input = bytes;
                Ok(Bytes::new())
            }
            Err(frame) => {
                self.trailers = frame.into_trailers().ok();
                self.finish()
            }
        }
    }
}

impl Body for Compressed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        Poll::Ready(match ready!(this.next(cx)) {
            Some(bytes) => Some(bytes.map(Frame::data)),
            None => this
                .trailers
                .take()
                .map(|trailers| Ok(Frame::trailers(trailers))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.work.is_none() && self.trailers.is_none()
    }
}
