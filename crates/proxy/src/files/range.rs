//! `Range` (RFC 9110 14.2).

/// More ranges than this in one request are taken for an attack, and the whole file is sent.
const MOST_RANGES: usize = 32;
/// More ranges than this that lie in others are taken for an attack too (RFC 9110 14.2).
const MOST_OVERLAPS: usize = 2;
/// Ranges with a smaller gap are sent as one: what stands between two parts is longer (RFC 9110
/// 15.3.7.2).
const GAP: u64 = 80;

/// First and last byte, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub first: u64,
    /// The last byte.
    pub last: u64,
}

impl Span {
    /// Bytes.
    #[must_use]
    pub fn length(self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }

    fn is_near(self, other: Self) -> bool {
        self.first <= other.last.saturating_add(GAP) && other.first <= self.last.saturating_add(GAP)
    }
}

/// What a `Range` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Everything: there is no range, or one that must be ignored.
    All,
    /// These, at least one.
    Spans(Vec<Span>),
    /// Only what lies behind the end: 416.
    Nothing,
}

/// Reads the value of `Range` for a file of `length` bytes.
#[must_use]
pub fn parse(value: &str, length: u64) -> Asked {
    let Some((unit, list)) = value.split_once('=') else {
        return Asked::All;
    };
    if !unit.eq_ignore_ascii_case("bytes") {
        return Asked::All;
    }
    let mut spans = Vec::new();
    let mut count = 0;
    for item in list.split(',').map(|item| item.trim_matches([' ', '\t'])) {
        if item.is_empty() {
            continue;
        }
        count += 1;
        match one(item, length) {
            Some(Some(span)) if count <= MOST_RANGES => spans.push(span),
            Some(None) if count <= MOST_RANGES => {}
            _ => return Asked::All,
        }
    }
    if count == 0 {
        return Asked::All;
    }
    if spans.is_empty() {
        return Asked::Nothing;
    }
    coalesce(&spans).map_or(Asked::All, Asked::Spans)
}

/// Joins what overlaps or nearly touches, each where the first of its ranges stood; `None` if too many
/// overlap.
fn coalesce(spans: &[Span]) -> Option<Vec<Span>> {
    let mut joined: Vec<Span> = Vec::with_capacity(spans.len());
    let mut overlaps = 0;
    for span in spans {
        let mut span = *span;
        let mut place = None;
        // At most MOST_RANGES squared steps. What has grown may reach others that stood alone.
        while let Some(at) = joined.iter().position(|other| other.is_near(span)) {
            let other = joined.remove(at);
            overlaps += usize::from(other.first <= span.last && span.first <= other.last);
            span = Span {
                first: other.first.min(span.first),
                last: other.last.max(span.last),
            };
            place = Some(place.map_or(at, |place: usize| place.min(at)));
        }
        joined.insert(place.unwrap_or(joined.len()).min(joined.len()), span);
    }
    (overlaps <= MOST_OVERLAPS).then_some(joined)
}

/// `None`: malformed. `Some(None)`: well formed, but nothing of the file.
fn one(item: &str, length: u64) -> Option<Option<Span>> {
    let (first, last) = item.split_once('-')?;
    if first.is_empty() {
        let suffix = number(last)?;
        return Some((suffix > 0 && length > 0).then(|| Span {
            first: length.saturating_sub(suffix),
            last: length - 1,
        }));
    }
    let first = number(first)?;
    let last = if last.is_empty() {
        u64::MAX
    } else {
        number(last)?
    };
    if last < first {
        return None;
    }
    Some((first < length).then(|| Span {
        first,
        last: last.min(length - 1),
    }))
}

/// Digits alone; what does not fit is as good as the largest number.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}
