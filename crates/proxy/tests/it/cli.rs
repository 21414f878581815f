//! The command line: what an administrator sees.

use crate::harness::proxy::output;

const GOOD: &str = "[[proxy.sites]]\nhosts = '*'\n[[proxy.sites.routes]]\nprefix = '/'\nrespond = { body = 'x' }\n";

fn run(settings: &str, arguments: &[&str]) -> (i32, String, String) {
    let output = output(settings, arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().expect("code"),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn check_says_that_good_settings_are_good() {
    let (code, out, err) = run(GOOD, &["check"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("can be used"), "{out}");
}

#[test]
fn check_names_every_problem_with_its_key_and_the_nearest_name() {
    let wrong = "[[proxy.sites]]\nhosts = 'a b'\n[[proxy.sites.routes]]\nprefix = '/'\nupstream = 'ap'\n\
        [[proxy.sites.routes]]\npath = 'x'\nrespond = { status = 99 }\n\
        [[proxy.sites.routes]]\npath = '/y'\nfiles = { root = '/nowhere' }\n\
        [proxy.upstreams.app]\ntargets = 'nonsense'\nidle_timeout = '5s'\n";
    let (code, _, err) = run(wrong, &["check"]);
    assert_eq!(code, 64);
    for part in [
        "`proxy.sites[0].hosts`",
        "`proxy.sites[0].routes[0].upstream`",
        "Did you mean `app`?",
        "`proxy.sites[0].routes[1].path`",
        "`proxy.sites[0].routes[1].respond.status`",
        "`proxy.sites[0].routes[2].files.root`",
        "`proxy.upstreams.app.targets`",
        "`proxy.upstreams.app.idle_timeout`",
    ] {
        assert!(err.contains(part), "{part} is not in {err}");
    }
}

#[test]
fn a_wrong_key_names_the_nearest_one() {
    let (code, _, err) = run("[proxy.limits]\nhead_timeot = '1s'\n", &["serve"]);
    assert_eq!(code, 64);
    assert!(err.contains("Did you mean `head_timeout`?"), "{err}");
    assert_eq!(err.matches("error:").count(), 1, "{err}");
}

#[test]
fn a_flag_wins_over_files() {
    let (code, out, _) = run(GOOD, &["config", "--set", "proxy.limits.keep_alive=7s"]);
    assert_eq!(code, 0);
    assert!(
        out.contains("proxy.limits.keep_alive = 7s   (a flag)"),
        "{out}"
    );
    assert!(
        out.contains("proxy.access_log.format = event   (the defaults)"),
        "{out}"
    );
    let (_, json, _) = run(GOOD, &["config", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert!(json.as_array().is_some_and(|all| all.len() > 10));
}

#[test]
fn an_address_in_use_is_one_clear_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
    let address = taken.local_addr().expect("address").to_string();
    let (code, _, err) = run(GOOD, &["serve", "--set", &format!("proxy.http={address}")]);
    assert_eq!(code, 1);
    assert!(
        err.starts_with("error: ") && err.contains("already uses it"),
        "{err}"
    );
}

#[test]
fn wrong_usage_is_64_and_help_has_examples() {
    assert_eq!(run(GOOD, &["sreve"]).0, 64);
    assert_eq!(run(GOOD, &["serve", "--set", "nonsense"]).0, 64);
    for command in [
        &["serve"][..],
        &["check"],
        &["config"],
        &["ctl"],
        &["ctl", "status"],
    ] {
        let (code, out, _) = run(GOOD, &[command, &["--help"]].concat());
        assert!(code == 0 && out.contains("Examples:"), "{out}");
    }
}
