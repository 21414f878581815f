use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::Path;

use proptest::prelude::*;
use rustix::fs::{CWD, Mode, OFlags, openat};

use super::open::{Found, OpenError, open, parts, step_by_step};
use super::range::{Asked, Span, parse};
use super::{etag, open as opening};

fn tree() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("directory");
    let root = directory.path().join("root");
    std::fs::create_dir_all(root.join("sub")).expect("directory");
    std::fs::write(root.join("sub/file"), "inside").expect("file");
    std::fs::write(directory.path().join("secret"), "outside").expect("file");
    symlink("../../secret", root.join("sub/link")).expect("link");
    symlink("sub", root.join("alias")).expect("link");
    directory
}

#[test]
fn the_fallback_is_as_strict_as_the_kernel() {
    let directory = tree();
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let root = openat(CWD, directory.path().join("root"), flags, Mode::empty()).expect("root");
    assert!(step_by_step(&root, Path::new("sub/file")).is_ok());
    for path in [
        "sub/link",
        "alias/file",
        "sub/none",
        "none/file",
        "sub/file/x",
    ] {
        assert!(step_by_step(&root, Path::new(path)).is_err(), "{path}");
    }
}

#[test]
fn links_out_and_links_inside_are_not_followed() {
    let directory = tree();
    let root = directory.path().join("root");
    let open = |path: &str| open(&root, &parts(path).expect("parts"), false);
    assert!(matches!(open("sub/file"), Ok(Found::File(_))));
    for path in ["sub/link", "alias/file", "alias", "sub", "none"] {
        assert!(matches!(open(path), Err(OpenError::NotFound)), "{path}");
    }
}

#[test]
fn small_files_are_read_whole_and_large_ones_are_not() {
    let directory = tempfile::tempdir().expect("directory");
    for (length, small) in [(opening::SMALL, true), (opening::SMALL + 1, false)] {
        let content = vec![1; usize::try_from(length).expect("length")];
        std::fs::write(directory.path().join("file"), content).expect("file");
        match open(directory.path(), &[OsString::from("file")], false) {
            Ok(Found::File(file)) => {
                assert_eq!((file.length, file.content.is_some()), (length, small))
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn tags_are_read_strictly() {
    let opaque = |text| {
        etag::list(text).map(|tags| {
            tags.iter()
                .map(|tag| tag.opaque.to_owned())
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(
        opaque("\"a\", W/\"b\",\"c\""),
        Some(vec!["a".to_owned(), "b".to_owned(), "c".to_owned()])
    );
    assert_eq!(opaque("\"a,b\""), Some(vec!["a,b".to_owned()]));
    for wrong in ["a", "\"a", "\"a\" \"b\"", "w/\"a\"", "\"a b\""] {
        assert_eq!(opaque(wrong), None, "{wrong}");
    }
}

proptest! {
    #[test]
    fn spans_lie_inside_the_file(value in "(bytes|BYTES|lines)=[0-9,\\- ]{0,24}", length in 0_u64..40) {
        if let Asked::Spans(spans) = parse(&value, length) {
            prop_assert!(!spans.is_empty());
            let inside = |span: &Span| span.first <= span.last && span.last < length;
            prop_assert!(spans.iter().all(inside), "{:?}", spans);
            let total: u64 = spans.iter().map(|span| span.length()).sum();
            prop_assert!(spans.len() == 1 || total <= length);
        }
    }

    #[test]
    fn one_range_is_what_it_says(first in 0_u64..100, last in 0_u64..100, length in 1_u64..100) {
        let expected = if last < first {
            Asked::All
        } else if first >= length {
            Asked::Nothing
        } else {
            Asked::Spans(vec![Span { first, last: last.min(length - 1) }])
        };
        prop_assert_eq!(parse(&format!("bytes={first}-{last}"), length), expected);
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in ".*", length in any::<u64>()) {
        let _ = parse(&text, length);
        let _ = etag::list(&text);
        let _ = parts(&text);
    }

    #[test]
    fn a_list_of_tags_matches_its_members(tags in prop::collection::vec("[!#-~]{0,6}", 1..5)) {
        let list: Vec<String> = tags.iter().map(|tag| format!("\"{tag}\"")).collect();
        let joined = list.join(" , ");
        let read = etag::list(&joined).expect("a list");
        prop_assert_eq!(read.len(), tags.len());
        for (tag, own) in read.into_iter().zip(&list) {
            prop_assert!(etag::matches(tag, own, true));
        }
    }

    #[test]
    fn parts_never_lead_out(path in "([a-z./]|%2e|%2f|%00|%5C){0,16}") {
        for part in parts(&path).unwrap_or_default() {
            let part = part.to_string_lossy().into_owned();
            prop_assert!(!part.starts_with('.') && !part.contains(['/', '\0', '\\']) && !part.is_empty());
        }
    }
}
