use super::*;

fn pool(text: &str) -> PoolSettings {
    toml::from_str(text).expect("settings")
}

fn problem(text: &str) -> String {
    pool(text)
        .validate("web")
        .expect_err("must not pass")
        .to_string()
}

#[test]
fn a_command_is_all_that_is_needed() {
    let settings = pool("command = ['site', 'serve']");
    settings.validate("web").expect("valid");
    assert_eq!(settings.processes, 2);
    assert_eq!(settings.drain_timeout, Period::seconds(35));
}

#[test]
fn senseless_values_name_their_key() {
    assert_eq!(
        problem("command = ['a']\nprocesses = 0"),
        "`pool.web.processes`: must be 1 to 1024"
    );
    assert_eq!(
        problem("command = ['a']\ndrain_timeout = '0s'"),
        "`pool.web.drain_timeout`: must not be zero"
    );
    assert_eq!(
        problem("command = ['a']\nbackoff_min = '1m'"),
        "`pool.web.backoff_max`: must not be shorter than backoff_min, 1m"
    );
    assert_eq!(
        problem("command = ['a']\nready_after = '1m'"),
        "`pool.web.ready_after`: must be shorter than start_timeout, 1m"
    );
}

#[test]
fn an_empty_command_is_no_command() {
    assert!(problem("").contains("no command"));
    assert!(problem("command = ['']").contains("no command"));
}

#[test]
fn a_name_must_survive_in_a_list_separated_by_colons() {
    let settings = pool("command = ['a']");
    for name in ["", "a:b", "a b", &"x".repeat(65)] {
        assert!(settings.validate(name).is_err(), "{name}");
    }
    settings.validate("web-2_a").expect("valid");
}
