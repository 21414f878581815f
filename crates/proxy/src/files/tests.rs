use std::os::unix::fs::symlink;
use std::path::Path;

use proptest::prelude::*;
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, openat};

use super::open::{Kind, Root, step_by_step};
use super::source::{AtHand, Source};
use super::{Asked, Span, etag, parse_range, parts};

fn tree() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("directory");
    let root = directory.path().join("root");
    std::fs::create_dir_all(root.join("sub")).expect("directory");
    std::fs::write(root.join("sub/file"), "inside").expect("file");
    std::fs::write(directory.path().join("secret"), "outside").expect("file");
    symlink("../../secret", root.join("sub/link")).expect("link");
    symlink("sub", root.join("alias")).expect("link");
    symlink(root.join("sub/file"), root.join("absolute")).expect("link");
    symlink("../secret", root.join("up")).expect("link");
    let pipe = root.join("pipe");
    mknodat(CWD, pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("pipe");
    directory
}

#[test]
fn the_fallback_is_as_strict_as_the_kernel() {
    let directory = tree();
    let path = OFlags::PATH | OFlags::DIRECTORY;
    let root = openat(CWD, directory.path().join("root"), path, Mode::empty()).expect("root");
    for flags in [OFlags::RDONLY, OFlags::PATH] {
        assert!(step_by_step(&root, Path::new("sub/file"), flags).is_ok());
        for path in [
            "sub/link",
            "alias/file",
            "alias",
            "sub/none",
            "none/file",
            "sub/file/x",
        ] {
            let outcome = step_by_step(&root, Path::new(path), flags);
            assert!(outcome.is_err(), "{path}");
        }
    }
}

#[test]
fn links_out_are_never_followed_and_links_inside_only_when_told() {
    let directory = tree();
    let root = |inside| {
        Root::open(&directory.path().join("root"), inside)
            .expect("no failure")
            .expect("a directory")
    };
    let file = |root: &Root, path: &str| {
        let look = root.look(Path::new(path)).expect("no failure");
        let file = root.file(Path::new(path)).expect("no failure");
        let is_file = matches!(look, Some(Kind::File(_)));
        assert_eq!(is_file, file.is_some(), "{path}");
        is_file
    };
    for path in ["sub/link", "sub/none", "sub", "pipe", "absolute", "up"] {
        assert!(!file(&root(true), path), "{path}");
        assert!(!file(&root(false), path), "{path}");
    }
    assert!(file(&root(true), "alias/file") && !file(&root(false), "alias/file"));
    assert!(file(&root(true), "sub/file") && file(&root(false), "sub/file"));
}

#[test]
fn small_files_are_kept_in_memory_and_larger_ones_open() {
    let directory = tempfile::tempdir().expect("directory");
    let root = Root::open(directory.path(), false)
        .expect("no failure")
        .expect("root");
    for (length, memory, open) in [
        (0, true, false),
        (64 << 10, true, false),
        ((64 << 10) + 1, true, true),
        (128 << 10, true, true),
        ((128 << 10) + 1, false, true),
    ] {
        std::fs::write(directory.path().join("file"), vec![1; length]).expect("file");
        let source = Source::open(&root, Path::new("file"), 128 << 10)
            .expect("no failure")
            .expect("a file");
        assert_eq!(source.length(), u64::try_from(length).expect("length"));
        assert_eq!(
            (source.content().is_some(), source.descriptor().is_some()),
            (memory, open),
            "{length}"
        );
    }
}

#[test]
fn a_change_of_an_open_file_is_noticed() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("file");
    std::fs::write(&path, vec![1; 1000]).expect("file");
    let root = Root::open(directory.path(), false)
        .expect("no failure")
        .expect("root");
    let open = || {
        Source::open(&root, Path::new("file"), 10)
            .expect("no failure")
            .expect("a file")
    };
    let source = open();
    assert!(source.is_unchanged() && source.read(0, 1000).is_ok());
    // Another file under the same name leaves the open one as it was.
    std::fs::write(directory.path().join("new"), vec![2; 500]).expect("file");
    std::fs::rename(directory.path().join("new"), &path).expect("rename");
    assert!(source.is_unchanged() && source.read(0, 1000).is_ok());
    let source = open();
    std::fs::write(&path, "ne").expect("file");
    assert!(!source.is_unchanged() && source.read(0, 2).is_err());
    assert!(matches!(source.read_at_hand(0, 2), AtHand::Changed));
}

#[test]
fn ranges_that_touch_are_sent_as_one() {
    let parse = |text: &str, length| match parse_range(text, length) {
        Asked::Spans(spans) => spans.iter().map(|span| (span.first, span.last)).collect(),
        Asked::All => vec![(0, u64::MAX)],
        Asked::Nothing => vec![],
    };
    let all = vec![(0, u64::MAX)];
    for (text, expected) in [
        ("bytes=0-1,1000-1001", vec![(0, 1), (1000, 1001)]),
        ("bytes=1000-1001,0-1", vec![(1000, 1001), (0, 1)]),
        ("bytes=0-9,10-19", vec![(0, 19)]),
        ("bytes=0-9,90-99", vec![(0, 9), (90, 99)]),
        ("bytes=0-9,89-99", vec![(0, 99)]),
        ("bytes=500-599,0-9,450-520", vec![(450, 599), (0, 9)]),
        // Three ranges lie in the fourth.
        ("bytes=0-9,200-209,400-409,5-405", all.clone()),
        ("bytes=0-,0-,0-", vec![(0, 1999)]),
        ("bytes=0-,0-,0-,0-", all.clone()),
        ("bytes=0-1,5000-", vec![(0, 1)]),
        ("bytes=5000-,6000-", vec![]),
        ("bytes=-0", vec![]),
        ("bytes=0-1,x", all),
    ] {
        assert_eq!(parse(text, 2000), expected, "{text}");
    }
}

#[test]
fn a_hidden_directory_is_there_for_everybody() {
    assert!(parts(".well-known/acme", true).is_some());
    for (path, well_known) in [
        (".well-known/acme", false),
        (".well-known/.hidden", true),
        ("sub/.well-known/acme", true),
        (".well-knownx", true),
        (".git/config", true),
        ("%2egit/config", true),
    ] {
        assert_eq!(parts(path, well_known), None, "{path}");
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
    fn spans_lie_inside_the_file(value in "(bytes|BYTES|lines)=[0-9,\\- ]{0,48}", length in 0_u64..4000) {
        if let Asked::Spans(spans) = parse_range(&value, length) {
            prop_assert!(!spans.is_empty());
            let inside = |span: &Span| span.first <= span.last && span.last < length;
            prop_assert!(spans.iter().all(inside), "{:?}", spans);
            let apart = |a: &Span, b: &Span| a.last < b.first || b.last < a.first;
            for (index, span) in spans.iter().enumerate() {
                prop_assert!(spans[..index].iter().all(|other| apart(span, other)), "{:?}", spans);
            }
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
        prop_assert_eq!(parse_range(&format!("bytes={first}-{last}"), length), expected);
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in ".*", length in any::<u64>()) {
        drop(parse_range(&text, length));
        drop(etag::list(&text));
        drop(parts(&text, true));
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
        for part in parts(&path, false).unwrap_or_default() {
            let part = part.to_string_lossy().into_owned();
            prop_assert!(!part.starts_with('.') && !part.contains(['/', '\0', '\\']) && !part.is_empty());
        }
    }
}
