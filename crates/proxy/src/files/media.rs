//! Media types by the endings of names, and names that tell that a file never changes.

use std::borrow::Cow;
use std::path::Path;

use http::HeaderValue;

use crate::plan::Files;

/// Where the common table is older than the web (RFC 9239, and source maps as browsers want them).
const NEWER: [(&str, &str); 4] = [
    ("mjs", "text/javascript"),
    ("map", "application/json"),
    ("ts", "video/mp2t"),
    ("rss", "application/rss+xml"),
];
/// Text beside `text/*`.
const TEXT: [&str; 9] = [
    "application/javascript",
    "application/json",
    "application/ld+json",
    "application/manifest+json",
    "application/rss+xml",
    "application/atom+xml",
    "application/xml",
    "application/xhtml+xml",
    "image/svg+xml",
];
/// What build tools name by a hash of letters of both cases.
const BUILT: [&str; 7] = ["js", "mjs", "css", "wasm", "woff", "woff2", "map"];

/// The media type of the file called `name`.
pub(super) fn media_type(files: &Files, name: &Path) -> HeaderValue {
    let ending = name
        .extension()
        .map(|ending| ending.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default();
    if let Some(own) = files.types.get(&ending) {
        return with_charset(own.to_str().unwrap_or_default(), &files.charset)
            .map_or_else(|| own.clone(), |text| value(&text, own));
    }
    let guess = NEWER
        .iter()
        .find(|(known, _)| *known == ending)
        .map(|(_, media_type)| *media_type)
        .or_else(|| mime_guess::from_ext(&ending).first_raw());
    let Some(guess) = guess else {
        return files.default_type.clone();
    };
    with_charset(guess, &files.charset).map_or_else(
        || HeaderValue::from_static(guess),
        |text| value(&text, &files.default_type),
    )
}

/// `None` if nothing is to be added.
fn with_charset(media_type: &str, charset: &str) -> Option<String> {
    let text = media_type.starts_with("text/") || TEXT.contains(&media_type);
    let add = text && !charset.is_empty() && !media_type.contains(';');
    add.then(|| format!("{media_type}; charset={charset}"))
}

fn value(text: &str, otherwise: &HeaderValue) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| otherwise.clone())
}

/// True if the name holds a hash of the content: `app.3f9a01bc.js`, `index-BkZ3x1aQ.css`.
///
/// Dates (`report-20240101.pdf`) and words (`my-document.pdf`) are no hashes: hexadecimal ones have
/// digits and letters, and the others count only for what build tools make.
pub(super) fn is_immutable(name: &Path) -> bool {
    let name: Cow<'_, str> = match name.file_name() {
        Some(name) => name.to_string_lossy(),
        None => return false,
    };
    // The hash is the last part but the ending: `chunk-abc123de.min.js` has two endings.
    let mut parts = name.rsplit('.');
    let Some(ending) = parts.next() else {
        return false;
    };
    let built = BUILT.contains(&ending);
    let mut parts: Vec<&str> = parts.take(2).collect();
    if parts.last().is_some_and(|first| name.starts_with(first)) {
        // The name itself, which may end in `-hash`.
        if let Some(first) = parts.pop() {
            parts.extend(first.rsplit_once('-').map(|(_, last)| last));
        }
    }
    parts
        .iter()
        .any(|part| is_hexadecimal(part) || (built && is_mixed(part)))
}

fn is_hexadecimal(text: &str) -> bool {
    let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() >= 8
        && text.bytes().all(hexadecimal)
        && text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().any(|byte| byte.is_ascii_lowercase())
}

/// Letters and digits in no order that a person would write: of both cases, or capitals as in base 32.
fn is_mixed(text: &str) -> bool {
    if !(8..=32).contains(&text.len()) {
        return false;
    }
    let mut changes = 0;
    let mut seen = [false; 3];
    // A digit that is followed by a letter: people count at the end.
    let mut inside = false;
    let mut last = None;
    for byte in text.bytes() {
        let kind = match byte {
            b'a'..=b'z' => 0,
            b'A'..=b'Z' => 1,
            b'0'..=b'9' => 2,
            _ => return false,
        };
        changes += usize::from(last.is_some_and(|last| last != kind));
        inside |= last == Some(2) && kind != 2;
        seen[kind] = true;
        last = Some(kind);
    }
    // `Summer2024` changes twice, `Web3Auth` four times. To miss a hash costs a question to the server,
    // to see one where there is none costs a year.
    match seen {
        [true, true, true] => inside && changes >= 5,
        [false, true, true] => inside && text.len() == 8 && changes >= 3,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_told_from_words_and_dates() {
        for name in [
            "app.3f9a01bc.js",
            "base.27e20196a850.css",
            "index-BkZ3x1aQ.css",
            "chunk-QX3F7K2A.js",
            "chunk-3f9a01bc.min.js",
            "application-908e25f4bf641868d8683022a5b62f54.png",
            "logo.0a1b2c3d.svg",
        ] {
            assert!(is_immutable(Path::new(name)), "{name}");
        }
        for name in [
            "app.js",
            "jquery.min.js",
            "report-20240101.pdf",
            "my-document.pdf",
            "photo-iPhone15Pro.jpg",
            "dashboard-widgets.js",
            "lib-Web3Auth.js",
            "my-Some_Name1.js",
            "lib-MyCoolLib2.js",
            "deadbeef.css",
            "3f9a01bc.css",
            "photo-Summer2024.jpg",
            "backup.20240101120000.tar",
            "noending",
            "",
        ] {
            assert!(!is_immutable(Path::new(name)), "{name}");
        }
    }
}
