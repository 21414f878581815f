use std::time::Duration;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Example {
    max_connections: u32,
    timeout: Period,
    body: Bytes,
    password: String,
    nested: Nested,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Nested {
    depth: u8,
}

impl Default for Example {
    fn default() -> Self {
        Self {
            max_connections: 10,
            timeout: Period::seconds(3),
            body: Bytes(1),
            password: String::new(),
            nested: Nested::default(),
        }
    }
}

fn sources(files: &[(&str, &str)], variables: &[(&str, &str)]) -> (tempfile::TempDir, Sources) {
    let directory = tempfile::tempdir().expect("temporary directory");
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).expect("write");
    }
    let sources = Sources {
        directory: directory.path().to_owned(),
        environment: Environment::Testing,
        variables: variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        overrides: Vec::new(),
    };
    (directory, sources)
}

fn example(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Result<Example, SettingsError> {
    let (_directory, sources) = sources(files, variables);
    Settings::load(&sources)?.section("postgres")
}

fn message(files: &[(&str, &str)], variables: &[(&str, &str)]) -> String {
    example(files, variables)
        .expect_err("was accepted")
        .to_string()
}

#[test]
fn an_absent_section_is_all_defaults() {
    let example = example(&[], &[]).expect("settings");
    assert_eq!(
        (example.max_connections, example.timeout.duration()),
        (10, Duration::from_secs(3))
    );
}

#[test]
fn later_layers_win() {
    let files = [
        (
            "default.toml",
            "[postgres]\nmax_connections = 1\ntimeout = '1s'\nbody = '1KiB'",
        ),
        (
            "testing.toml",
            "[postgres]\nmax_connections = 2\ntimeout = '2s'",
        ),
        ("local.toml", "[postgres]\nmax_connections = 3"),
    ];
    let example = example(&files, &[("KIUAS__POSTGRES__NESTED__DEPTH", "4")]).expect("settings");
    assert_eq!(
        (
            example.max_connections,
            example.timeout,
            example.body.0,
            example.nested.depth
        ),
        (3, Period::seconds(2), 1024, 4)
    );
}

#[test]
fn an_unknown_key_names_itself_its_file_and_the_nearest_key() {
    let message = message(&[("default.toml", "[postgres]\nmax_conections = 3")], &[]);
    for part in [
        "postgres.max_conections",
        "`3`",
        "default.toml",
        "Did you mean `max_connections`?",
    ] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
}

/// Lines 1 to 8.
const LINES: &str = "# a comment
[postgres]
max_connections = 3
timeout = '3s'
nested = { depth = 3 }

[[proxy.sites]]
hosts = ['a', 'b']";

#[test]
fn an_error_names_the_line() {
    let changed = |from: &str, to: &str| {
        let text = LINES.replace(from, to);
        message(&[("default.toml", &text)], &[])
    };
    for (from, to, part) in [
        ("'3s'", "'3 parsecs'", "default.toml:4: "),
        ("'3s'", "'3s'\nbody = 1", "default.toml:5: "),
        ("depth = 3", "depth = 300", "default.toml:5: "),
        (
            "depth = 3",
            "depth = 300",
            "`postgres.nested.depth` = `300` in ",
        ),
        ("max_c", "max_k", "default.toml:3: "),
    ] {
        let said = changed(from, to);
        assert!(said.contains(part), "{to}: {said}");
    }
}

#[test]
fn of_two_files_that_one_is_named_whose_value_counts() {
    let files = [
        ("default.toml", "[postgres]\n\ntimeout = '3s'"),
        ("local.toml", "[postgres]\ntimeout = 'x'"),
    ];
    let said = message(&files, &[]);
    assert!(said.contains("local.toml:2: "), "{said}");
}

#[test]
fn what_is_no_toml_names_file_and_line() {
    let number_too_large = "[postgres]\nmax_connections = 99999999999999999999";
    for text in ["[postgres]\nbody = \n", number_too_large] {
        let (_directory, sources) = sources(&[("local.toml", text)], &[]);
        let error = Settings::load(&sources).expect_err("was read");
        let cause = std::error::Error::source(&error)
            .expect("a cause")
            .to_string();
        assert!(
            cause.contains("local.toml") && cause.contains("line 2"),
            "{cause}"
        );
    }
}

#[test]
fn a_setting_is_found_by_its_key_or_by_the_table_it_would_be_in() {
    let variables = [("KIUAS__POSTGRES__PASSWORD", "hunter2")];
    let (_directory, sources) = sources(&[("default.toml", LINES)], &variables);
    let settings = Settings::load(&sources).expect("settings");
    let place = |key: &str| {
        let place = settings.place(key)?;
        let line = place
            .origin
            .rsplit_once("default.toml")
            .map(|(_, line)| line);
        Some((line.unwrap_or(&place.origin).to_owned(), place.value))
    };
    let at = |line: &str, value: Option<&str>| Some((line.to_owned(), value.map(str::to_owned)));
    assert_eq!(place("postgres.max_connections"), at(":3", Some("3")));
    assert_eq!(place("postgres.nested.depth"), at(":5", Some("3")));
    assert_eq!(place("proxy.sites[0].hosts[1]"), at(":8", Some("b")));
    assert_eq!(place("proxy.sites[0].routes[3].prefix"), at(":7", None));
    assert_eq!(
        place("postgres.password"),
        at("the variable KIUAS__POSTGRES__PASSWORD", None)
    );
    // A table that two layers make up.
    assert_eq!(place("postgres.missing"), at(":2", None));
    assert_eq!(place("web.listen"), None);
}

#[test]
fn an_unknown_section_names_the_nearest_section() {
    let message = message(&[("default.toml", "[postgras]\nx = 3")], &[]);
    assert!(message.contains("Did you mean `postgres`?"), "{message}");
}

#[test]
fn a_wrong_type_names_key_value_and_variable() {
    let message = message(&[], &[("KIUAS__POSTGRES__MAX_CONNECTIONS", "many")]);
    for part in [
        "postgres.max_connections",
        "`many`",
        "KIUAS__POSTGRES__MAX_CONNECTIONS",
    ] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
}

#[test]
fn a_wrong_duration_says_how_to_write_one() {
    let message = message(
        &[("default.toml", "[postgres]\ntimeout = '3 parsecs'")],
        &[],
    );
    assert!(
        message.contains("postgres.timeout") && message.contains("250ms"),
        "{message}"
    );
}

#[test]
fn a_secret_comes_from_a_file_and_is_never_shown() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("password");
    std::fs::write(&path, "hunter2\n").expect("write");
    let variables = [(
        "KIUAS__POSTGRES__PASSWORD_FILE",
        path.to_str().expect("path"),
    )];
    assert_eq!(
        example(&[], &variables).expect("settings").password,
        "hunter2"
    );
    let (_directory, sources) = sources(&[], &variables);
    let explained = Settings::load(&sources).expect("settings").explain();
    assert_eq!(explained[0].value, "[redacted]");
    assert!(
        explained[0]
            .source
            .contains("KIUAS__POSTGRES__PASSWORD_FILE"),
        "{explained:?}"
    );
}

#[test]
fn the_password_in_a_url_is_redacted() {
    let (_directory, sources) = sources(
        &[(
            "default.toml",
            "[redis]\nurl = 'redis://me:hunter2@host:1/0'",
        )],
        &[],
    );
    let explained = Settings::load(&sources).expect("settings").explain();
    assert_eq!(explained[0].value, "redis://me:[redacted]@host:1/0");
}

proptest! {
    #[test]
    fn periods_and_sizes_survive_a_round_trip(number in 0..u64::from(u32::MAX)) {
        prop_assert_eq!(Period::milliseconds(number).to_string().parse(), Ok(Period::milliseconds(number)));
        prop_assert_eq!(Bytes(number).to_string().parse(), Ok(Bytes(number)));
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in ".*") {
        drop(text.parse::<Period>());
        drop(text.parse::<Bytes>());
        drop(text.parse::<crate::Address>());
    }
}
