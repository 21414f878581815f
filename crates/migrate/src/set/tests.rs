use super::*;

const FILES: &[(&str, &str)] = &[("V2__two.sql", "SELECT 2"), ("V1__one.sql", "SELECT 1")];

fn refused(sets: &[MigrationSet]) -> String {
    match with_stack(sets) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn files_are_sorted_by_version() {
    let set = MigrationSet::from_files("site", FILES).expect("set");
    let names: Vec<String> = set.migrations().iter().map(file_name).collect();
    assert_eq!(names, ["V1__one.sql", "V2__two.sql"]);
}

#[test]
fn the_stacks_set_comes_first() {
    let sets = with_stack(&[MigrationSet::empty("site")]).expect("sets");
    let names: Vec<&str> = sets.iter().map(MigrationSet::name).collect();
    assert_eq!(names, ["kiuas", "site"]);
}

#[test]
fn the_stacks_files_are_all_listed() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let sets = with_stack(&[]).expect("sets");
    sets[0]
        .check_directory(&directory)
        .expect("every file is listed");
}

#[test]
fn a_misnamed_file_is_named() {
    let error = MigrationSet::from_files("site", &[("2-polls.sql", "")]).expect_err("misnamed");
    assert!(error.to_string().contains("`2-polls.sql`"), "{error}");
}

#[test]
fn a_file_that_is_not_in_the_set_is_named() {
    let directory = tempfile::tempdir().expect("directory");
    for file in ["V1__one.sql", "V3__three.sql", "README.md"] {
        std::fs::write(directory.path().join(file), "").expect("file");
    }
    let set = MigrationSet::from_files("site", FILES).expect("set");
    let error = set.check_directory(directory.path()).expect_err("unlisted");
    assert!(error.to_string().contains("`V3__three.sql`"), "{error}");
}

#[test]
fn one_version_for_two_files_is_refused() {
    let files = [("V1__one.sql", "SELECT 1"), ("V1__other.sql", "SELECT 2")];
    let set = MigrationSet::from_files("site", &files).expect("set");
    let message = refused(&[set]);
    assert!(
        message.contains("`V1__one.sql` and `V1__other.sql`"),
        "{message}"
    );
}

#[test]
fn a_shared_or_unquotable_history_is_refused() {
    let one = MigrationSet::empty("one");
    let message = refused(&[one.clone(), MigrationSet::empty("two")]);
    assert!(message.contains("share the history table"), "{message}");
    for table in [
        "history",
        "a.b.c",
        "Public.history",
        "x.h; DROP TABLE y",
        ".",
    ] {
        let message = refused(&[one.clone().with_history(table)]);
        assert!(
            message.contains("is no name for the history"),
            "{table}: {message}"
        );
    }
}
