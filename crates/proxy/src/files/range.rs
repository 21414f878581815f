//! `Range` (RFC 9110 14.2).

/// More ranges than this in one request are taken for an attack, and the whole file is sent.
const MOST_RANGES: usize = 8;

/// First and last byte, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Span {
    pub(super) fn length(self) -> u64 {
        self.last - self.first + 1
    }
}

/// What a `Range` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// Everything: there is no range, or one that must be ignored.
    All,
    /// These, at least one.
    Spans(Vec<Span>),
    /// Only what lies behind the end: 416.
    Nothing,
}

/// Reads the value of `Range` for a file of `length` bytes.
pub(super) fn parse(value: &str, length: u64) -> Asked {
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
    // RFC 9110 14.2: overlapping ranges may be an attack as well.
    let total = spans
        .iter()
        .map(|span| span.length())
        .fold(0, u64::saturating_add);
    if spans.len() > 1 && total > length {
        return Asked::All;
    }
    Asked::Spans(spans)
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
