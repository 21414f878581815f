//! From an escaped request path to the names below a directory.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use percent_encoding::percent_decode_str;

const MOST_PARTS: usize = 64;
/// The one directory with a dot that is meant for everybody (RFC 8615).
const WELL_KNOWN: &[u8] = b".well-known";

/// The decoded parts of an escaped path; `None` if one of them could leave the directory, is hidden
/// (`.git`, `.env`) or is no file name. Empty parts are dropped as the kernel does. `well_known` says
/// that the first part may be `.well-known`.
#[must_use]
pub fn parts(path: &str, well_known: bool) -> Option<Vec<OsString>> {
    let mut parts = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        let decoded: Vec<u8> = percent_decode_str(part).collect();
        let hidden = decoded.first() == Some(&b'.')
            && !(well_known && parts.is_empty() && decoded == WELL_KNOWN);
        let suspicious = decoded
            .iter()
            .any(|byte| b"/\\\0".contains(byte) || byte.is_ascii_control());
        if hidden || suspicious || parts.len() == MOST_PARTS {
            return None;
        }
        parts.push(OsString::from_vec(decoded));
    }
    Some(parts)
}
