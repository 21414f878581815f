use std::collections::BTreeMap as Variables;

use kiuas_common::settings::Sources;

use super::*;

fn shown(variables: &[(&str, &str)]) -> BTreeMap<String, (String, String)> {
    let sources = Sources {
        variables: variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<Variables<_, _>>(),
        ..Sources::default()
    };
    let settings = Settings::load(&sources).expect("settings");
    effective(&settings)
        .expect("effective")
        .into_iter()
        .map(|one| (one.key, (one.value, one.source)))
        .collect()
}

#[test]
fn defaults_are_shown_as_such() {
    let shown = shown(&[]);
    assert_eq!(
        shown["web.keep_alive"],
        ("75s".to_owned(), DEFAULTS.to_owned())
    );
}

#[test]
fn what_a_variable_says_is_shown_with_its_name() {
    let shown = shown(&[("KIUAS__WEB__THREADS", "3")]);
    assert_eq!(
        shown["web.threads"],
        (
            "3".to_owned(),
            "the variable KIUAS__WEB__THREADS".to_owned()
        )
    );
}

#[test]
fn no_secret_is_shown() {
    let secret = "correct horse battery staple";
    let shown = shown(&[
        ("KIUAS__WEB__SECRET_KEY", secret),
        ("KIUAS__POSTGRES__PASSWORD", secret),
        ("KIUAS__APP__API_TOKEN", secret),
    ]);
    assert!(
        shown.values().all(|(value, _)| !value.contains("horse")),
        "{shown:?}"
    );
    assert_eq!(shown["web.secret_key"].0, "[redacted]");
}
