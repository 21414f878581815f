//! Finds the end of a head, takes it apart byte by byte and shows it to the gate.

use http::Version;

use crate::gate::{
    self, Head, MOST_FIELDS, MOST_HEAD, MOST_LINE, Passed, Refusal, is_field_value, is_token,
};

/// What [`find`] found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// No end yet.
    Incomplete,
    /// A head of `length` bytes that passed the gate.
    Head { length: usize, passed: Passed },
}

type Field<'a> = (&'a [u8], &'a [u8]);

/// Looks for a whole head at the front of `bytes`; the first `searched` bytes hold no end, and the
/// number is moved on.
pub(super) fn find(bytes: &[u8], searched: &mut usize) -> Result<Found, Refusal> {
    let from = searched.saturating_sub(3);
    let end = bytes
        .get(from..)
        .and_then(|rest| rest.windows(4).position(|four| four == b"\r\n\r\n"))
        .map(|at| from + at + 4);
    match end {
        Some(length) if length > MOST_HEAD => Err(too_large(bytes)),
        Some(length) => {
            let head = bytes.get(..length).unwrap_or_default();
            Ok(Found::Head {
                length,
                passed: take_apart(head)?,
            })
        }
        None => {
            // A line that ends wrongly may hide the end for ever: say so now.
            line_ends(bytes.get(*searched..).unwrap_or_default(), *searched == 0)?;
            if bytes.len() >= MOST_HEAD {
                return Err(too_large(bytes));
            }
            let line = bytes.iter().take(MOST_LINE).any(|byte| *byte == b'\n');
            if !line && bytes.len() >= MOST_LINE {
                return Err(Refusal::LongLine);
            }
            *searched = bytes.len().saturating_sub(1);
            Ok(Found::Incomplete)
        }
    }
}

fn too_large(bytes: &[u8]) -> Refusal {
    let line = bytes.iter().position(|byte| *byte == b'\n');
    match line {
        Some(end) if end < MOST_LINE => Refusal::LargeHead,
        _ => Refusal::LongLine,
    }
}

/// RFC 9112 2.2: CR LF ends a line; a bare one of them does not, whatever leniency the RFC permits.
/// Unless `bytes` are the beginning of the head, their first one was looked at before as the last.
fn line_ends(bytes: &[u8], beginning: bool) -> Result<(), Refusal> {
    for (at, byte) in bytes.iter().enumerate() {
        let wrong = match byte {
            b'\r' => bytes.get(at + 1).is_some_and(|next| *next != b'\n'),
            b'\n' if at == 0 => beginning,
            b'\n' => bytes.get(at - 1) != Some(&b'\r'),
            _ => false,
        };
        if wrong {
            return Err(Refusal::LineEnd);
        }
    }
    Ok(())
}

fn take_apart(head: &[u8]) -> Result<Passed, Refusal> {
    line_ends(head, true)?;
    // Without the empty line: lines that each end in CR LF.
    let lines = head.strip_suffix(b"\r\n").unwrap_or(head);
    let mut lines = lines
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r\n").unwrap_or(line));
    let line = lines.next().ok_or(Refusal::Line)?;
    if line.len() > MOST_LINE {
        return Err(Refusal::LongLine);
    }
    let (method, target, version) = request_line(line)?;
    let empty: Field<'_> = (&[], &[]);
    let mut fields = [empty; MOST_FIELDS];
    let mut count = 0;
    for line in lines {
        let slot = fields.get_mut(count).ok_or(Refusal::ManyFields)?;
        *slot = field(line)?;
        count += 1;
    }
    gate::check(&Head {
        method,
        target,
        version,
        authority: None,
        fields: fields.get(..count).unwrap_or_default(),
    })
}

/// RFC 9112 3: three parts, one space between each.
fn request_line(line: &[u8]) -> Result<(&[u8], &[u8], Version), Refusal> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refusal::Line);
    };
    if target.is_empty() || !is_field_value(target) {
        return Err(Refusal::Line);
    }
    match version {
        b"HTTP/1.1" => Ok((method, target, Version::HTTP_11)),
        b"HTTP/1.0" => Ok((method, target, Version::HTTP_10)),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(Refusal::Version)
        }
        _ => Err(Refusal::Line),
    }
}

/// RFC 9112 5: `name ":" OWS value OWS`. No space before the colon (5.1), no folded line (5.2).
pub(super) fn field(line: &[u8]) -> Result<Field<'_>, Refusal> {
    if line.first().is_some_and(|byte| b" \t".contains(byte)) {
        return Err(Refusal::Folded);
    }
    let colon = line
        .iter()
        .position(|byte| *byte == b':')
        .ok_or(Refusal::FieldName)?;
    let (name, rest) = line.split_at(colon);
    if !is_token(name) {
        return Err(Refusal::FieldName);
    }
    let value = trim(rest.get(1..).unwrap_or_default());
    if !is_field_value(value) {
        return Err(Refusal::FieldValue);
    }
    Ok((name, value))
}

/// Without the optional white space (space and tab alone) around it.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
