use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::backoff::Backoff;
use super::build::same_content;
use super::change::{Change, Snapshot, is_passing};
use super::plan::Plan;
use super::watch::Watch;
use crate::stack::Component;

fn sources() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for directory in ["crates/site/src", "migrations", "config"] {
        fs::create_dir_all(root.path().join(directory)).unwrap();
    }
    fs::write(root.path().join("crates/site/src/main.rs"), "fn main() {}").unwrap();
    root
}

fn take(root: &Path) -> Snapshot {
    Snapshot::take(root, &Snapshot::default())
}

fn change(migrations: bool, settings: bool) -> Change {
    Change {
        files: vec![PathBuf::from("crates/x.rs")],
        migrations,
        settings,
    }
}

#[test]
fn a_file_saved_unchanged_is_no_change() {
    let root = sources();
    let before = take(root.path());
    fs::write(root.path().join("crates/site/src/main.rs"), "fn main() {}").unwrap();
    let after = Snapshot::take(root.path(), &before);
    assert_eq!(before.difference(&after), None);
}

#[test]
fn new_changed_and_removed_files_are_changes() {
    let root = sources();
    let before = take(root.path());
    fs::write(root.path().join("crates/site/src/vote.rs"), "").unwrap();
    let with = Snapshot::take(root.path(), &before);
    let file = PathBuf::from("crates/site/src/vote.rs");
    assert_eq!(
        before.difference(&with).unwrap().files,
        std::slice::from_ref(&file)
    );
    fs::write(root.path().join(&file), "fn vote() {}").unwrap();
    let changed = Snapshot::take(root.path(), &with);
    assert_eq!(
        with.difference(&changed).unwrap().files,
        std::slice::from_ref(&file)
    );
    fs::remove_file(root.path().join(&file)).unwrap();
    let without = Snapshot::take(root.path(), &changed);
    assert_eq!(changed.difference(&without).unwrap().files, [file]);
}

#[test]
fn migrations_and_settings_are_told_apart_from_code() {
    let root = sources();
    let before = take(root.path());
    fs::write(root.path().join("migrations/V2__x.sql"), "SELECT 1").unwrap();
    let migrated = take(root.path());
    let found = before.difference(&migrated).unwrap();
    assert!(found.migrations && !found.settings);
    fs::write(root.path().join("config/local.toml"), "[web]").unwrap();
    let found = migrated.difference(&take(root.path())).unwrap();
    assert!(found.settings && !found.migrations);
}

#[test]
fn what_editors_make_in_passing_is_not_seen() {
    for name in [
        ".main.rs.swp",
        "main.rs~",
        "#main.rs#",
        "4913",
        "target",
        "x.tmp",
    ] {
        assert!(is_passing(name), "{name}");
    }
    for name in ["main.rs", "V1__x.sql", "default.toml", "targets.rs"] {
        assert!(!is_passing(name), "{name}");
    }
}

#[test]
fn changes_before_a_roll_add_up() {
    let sum = change(true, false).and(change(false, true));
    assert_eq!(sum, change(true, true));
}

#[test]
fn a_new_application_rolls_the_pools_and_leaves_the_proxy_alone() {
    let plan = Plan::new(&["site"], &change(false, false));
    assert_eq!(plan.roll, [Component::Web, Component::Worker]);
    assert_eq!(plan.replace, [Component::Beat]);
    assert!(plan.check && !plan.migrate);
}

#[test]
fn a_new_proxy_replaces_only_the_proxy() {
    let plan = Plan::new(&["kiuas-proxy"], &change(false, false));
    assert_eq!(plan.replace, [Component::Proxy]);
    assert!(plan.roll.is_empty());
}

#[test]
fn new_settings_replace_everything() {
    let plan = Plan::new(&[], &change(false, true));
    assert_eq!(plan.replace.len(), 4);
    assert!(plan.roll.is_empty() && plan.check);
}

#[test]
fn a_change_of_nothing_that_runs_touches_nothing() {
    assert!(Plan::new(&[], &change(false, false)).is_empty());
    assert!(!Plan::new(&["site"], &change(true, false)).is_empty());
}

#[test]
fn a_service_that_keeps_dying_waits_ever_longer() {
    let mut backoff = Backoff::new();
    assert!(!backoff.waits() && !backoff.is_due());
    let pauses: Vec<_> = (0..9).map(|_| backoff.died()).collect();
    assert_eq!(pauses[0], Duration::from_millis(500));
    assert_eq!(pauses[1], Duration::from_secs(1));
    assert_eq!(pauses[8], Duration::from_secs(30));
    assert!(backoff.waits() && !backoff.is_due());
}

#[test]
fn programs_are_compared_by_content() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let long = vec![7_u8; 600_000];
    fs::write(path("one"), &long).unwrap();
    fs::write(path("same"), &long).unwrap();
    let mut other = long.clone();
    other[599_999] = 8;
    fs::write(path("other"), other).unwrap();
    fs::hard_link(path("one"), path("link")).unwrap();
    assert!(same_content(&path("one"), &path("same")).unwrap());
    assert!(same_content(&path("one"), &path("link")).unwrap());
    assert!(!same_content(&path("one"), &path("other")).unwrap());
    assert!(!same_content(&path("one"), &path("missing")).unwrap());
    assert!(same_content(&path("missing"), &path("one")).is_err());
}

#[test]
fn the_watch_tells_a_change_once_and_stays_silent_about_none() {
    let root = sources();
    let mut watch = Watch::start(root.path()).unwrap();
    let file = root.path().join("crates/site/src/main.rs");
    fs::write(&file, "fn main() {}").unwrap();
    fs::write(&file, "fn main() { run() }").unwrap();
    let begin = Instant::now();
    let found = loop {
        if let Some(change) = watch.poll() {
            break change;
        }
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "nothing was seen"
        );
        std::thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(found.files, [PathBuf::from("crates/site/src/main.rs")]);
    assert_eq!(watch.poll(), None);
}
