//! The page with the names in a directory, where the settings ask for it. Blocks.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rustix::fs::{Dir, FileType};

use super::open::Root;

/// A page is no place for more, and reading them takes long.
const MOST_NAMES: usize = 1000;
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// The page of the directory at `path`; `None` if it is none. Hidden names, links and everything that
/// is neither file nor directory are left out, as they do not exist for visitors.
pub(super) fn page(root: &Root, path: &Path) -> io::Result<Option<Bytes>> {
    let Some(directory) = root.directory(path)? else {
        return Ok(None);
    };
    let mut names = Vec::new();
    let mut more = false;
    for entry in Dir::new(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        let mark = match entry.file_type() {
            FileType::RegularFile => "",
            FileType::Directory => "/",
            _ => continue,
        };
        if name.starts_with(b".") {
            continue;
        }
        if names.len() == MOST_NAMES {
            more = true;
            break;
        }
        names.push((name.to_vec(), mark));
    }
    names.sort();
    let title = path.as_os_str().as_bytes();
    Ok(Some(Bytes::from(html(title, &names, more))))
}

fn html(title: &[u8], names: &[(Vec<u8>, &str)], more: bool) -> String {
    let title = escaped(title);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>/{title}</title>\n</head>\n<body>\n<h1>/{title}</h1>\n<ul>\n"
    );
    if !title.is_empty() {
        page.push_str("<li><a href=\"../\">../</a></li>\n");
    }
    for (name, mark) in names {
        // `./` keeps `a:b` from being a scheme.
        page.push_str(&format!(
            "<li><a href=\"./{}{mark}\">{}{mark}</a></li>\n",
            percent_encode(name, PLAIN),
            escaped(name)
        ));
    }
    page.push_str("</ul>\n");
    if more {
        page.push_str(&format!("<p>Only {MOST_NAMES} names are shown.</p>\n"));
    }
    page.push_str("</body>\n</html>\n");
    page
}

fn escaped(text: &[u8]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in String::from_utf8_lossy(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
