//! Recognises a canonical request at the front of what was read. Never laxer than [`crate::screen`]:
//! whatever is accepted here, the screen accepts with the same end, and it passed the same gate.
//! Everything else is odd, not wrong: the screen decides about it.

use http::Version;

use crate::gate::{self, Framing, Head, MOST_FIELDS, MOST_HEAD, MOST_LINE};
use crate::line::{self, BareFeed};

/// Most requests have no more fields.
const FEW: usize = 20;

/// A place in the bytes that were read.
pub(super) type Span = (usize, usize);

/// What stands at the front.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// No end yet.
    Incomplete,
    /// Not for the lane.
    Odd,
    /// A whole request.
    Request(Request),
}

/// A request that passed the gate; its fields are in [`Fields`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    /// Its bytes, the empty line included; there is no body.
    pub(super) length: usize,
    /// HEAD, else GET.
    pub(super) is_head: bool,
    /// The target, a path.
    pub(super) target: Span,
    /// `Connection: close`.
    pub(super) close: bool,
    /// `TE: trailers`.
    pub(super) trailers: bool,
}

/// Names and values of the fields of one request, as places.
#[derive(Debug)]
pub(super) struct Fields {
    places: [(Span, Span); MOST_FIELDS],
    count: usize,
}

impl Fields {
    pub(super) const fn new() -> Self {
        Self {
            places: [((0, 0), (0, 0)); MOST_FIELDS],
            count: 0,
        }
    }

    /// In the order of the request.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (Span, Span)> {
        self.places
            .get(..self.count)
            .unwrap_or_default()
            .iter()
            .copied()
    }

    fn push(&mut self, name: Span, value: Span) -> Option<()> {
        *self.places.get_mut(self.count)? = (name, value);
        self.count += 1;
        Some(())
    }
}

/// Looks at the front of `bytes`, which begin where a request begins.
pub(super) fn find(bytes: &[u8], fields: &mut Fields) -> Found {
    match read(bytes, fields) {
        Ok(Some(request)) => Found::Request(request),
        Ok(None) if may_go_on(bytes) => Found::Incomplete,
        Ok(None) | Err(Odd) => Found::Odd,
    }
}

/// True if the last `more` bytes of a head that had no end without them can change anything: a visitor
/// who sends byte by byte must not make us look at all of it each time.
pub(super) fn is_worth_a_look(bytes: &[u8], more: usize) -> bool {
    let after = bytes.len();
    let before = after.saturating_sub(more);
    // One before, because of a CR that ended what was there.
    let new = bytes.get(before.saturating_sub(1)..).unwrap_or_default();
    memchr::memchr2(b'\r', b'\n', new).is_some()
        || (before < MOST_LINE && after >= MOST_LINE)
        || after >= MOST_HEAD
}

/// False for what the screen refuses at once although it has no end, and for what cannot become a
/// request of the lane.
fn may_go_on(bytes: &[u8]) -> bool {
    let begins = [&b"GET /"[..], b"HEAD /"].iter().any(|known| {
        let length = known.len().min(bytes.len());
        known.get(..length) == bytes.get(..length)
    });
    let last = memchr::memrchr(b'\n', bytes);
    let open = bytes.get(last.map_or(0, |at| at + 1)..).unwrap_or_default();
    let stray = memchr::memchr(b'\r', open).is_some_and(|at| at + 1 < open.len());
    let long = last.is_none() && bytes.len() >= MOST_LINE;
    begins && !stray && !long && bytes.len() < MOST_HEAD
}

struct Odd;

fn read(bytes: &[u8], fields: &mut Fields) -> Result<Option<Request>, Odd> {
    fields.count = 0;
    let Some((line, mut at)) = line(bytes, 0)? else {
        return Ok(None);
    };
    let (is_head, target) = request_line(bytes, line)?;
    let mut close = false;
    let mut trailers = false;
    loop {
        let Some((field, next)) = self::line(bytes, at)? else {
            return Ok(None);
        };
        at = next;
        if field.0 == field.1 {
            break;
        }
        let (name, value) = self::field(bytes, field)?;
        fields.push(name, value).ok_or(Odd)?;
        let (name, value) = (slice(bytes, name), slice(bytes, value));
        close |= connection(name, value)?;
        trailers |= name.eq_ignore_ascii_case(b"te") && value.eq_ignore_ascii_case(b"trailers");
    }
    if at > MOST_HEAD {
        return Err(Odd);
    }
    judge(bytes, is_head, target, fields)?;
    Ok(Some(Request {
        length: at,
        is_head,
        target,
        close,
        trailers,
    }))
}

fn line(bytes: &[u8], start: usize) -> Result<Option<(Span, usize)>, Odd> {
    let found = line::next(bytes, start).map_err(|BareFeed| Odd)?;
    Ok(found.map(|(line, next)| ((line.start, line.end), next)))
}

/// `GET /path HTTP/1.1`. What may stand in the target is the gate's affair, and it allows no space.
fn request_line(bytes: &[u8], line: Span) -> Result<(bool, Span), Odd> {
    const END: &[u8] = b" HTTP/1.1";
    let text = slice(bytes, line);
    let (is_head, from) = match text {
        [b'G', b'E', b'T', b' ', b'/', ..] => (false, 4),
        [b'H', b'E', b'A', b'D', b' ', b'/', ..] => (true, 5),
        _ => return Err(Odd),
    };
    if text.len() > MOST_LINE || text.len() < from + END.len() + 1 || !text.ends_with(END) {
        return Err(Odd);
    }
    Ok((is_head, (line.0 + from, line.1 - END.len())))
}

fn field(bytes: &[u8], line: Span) -> Result<(Span, Span), Odd> {
    let found = line::field(slice(bytes, line)).ok_or(Odd)?;
    let value = (line.0 + found.value.start, line.0 + found.value.end);
    Ok(((line.0, line.0 + found.name), value))
}

/// Fields about the connection or a body are odd but for `Connection: close` and `keep-alive`; true for
/// the former.
fn connection(name: &[u8], value: &[u8]) -> Result<bool, Odd> {
    let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
    let odd = match name.len() {
        6 => is(b"expect"),
        7 => is(b"upgrade"),
        14 => is(b"content-length") || is(b"http2-settings"),
        17 => is(b"transfer-encoding"),
        10 if is(b"connection") => {
            return if value.eq_ignore_ascii_case(b"close") {
                Ok(true)
            } else if value.eq_ignore_ascii_case(b"keep-alive") {
                Ok(false)
            } else {
                Err(Odd)
            };
        }
        _ => false,
    };
    if odd { Err(Odd) } else { Ok(false) }
}

/// The gate, with the request exactly as the screen would show it.
fn judge(bytes: &[u8], is_head: bool, target: Span, fields: &Fields) -> Result<(), Odd> {
    let empty: (&[u8], &[u8]) = (&[], &[]);
    // Most requests have few fields, and the empty places cost time too.
    let (mut few, mut many);
    let shown: &mut [(&[u8], &[u8])] = if fields.count <= FEW {
        few = [empty; FEW];
        &mut few
    } else {
        many = [empty; MOST_FIELDS];
        &mut many
    };
    for (slot, (name, value)) in shown.iter_mut().zip(fields.iter()) {
        *slot = (slice(bytes, name), slice(bytes, value));
    }
    let passed = gate::check(&Head {
        method: if is_head { b"HEAD" } else { b"GET" },
        target: slice(bytes, target),
        version: Version::HTTP_11,
        authority: None,
        fields: shown.get(..fields.count).unwrap_or_default(),
    })
    .map_err(|_| Odd)?;
    if passed.framing == Framing::Empty && !passed.upgrade {
        Ok(())
    } else {
        Err(Odd)
    }
}

pub(super) fn slice(bytes: &[u8], place: Span) -> &[u8] {
    bytes.get(place.0..place.1).unwrap_or_default()
}
