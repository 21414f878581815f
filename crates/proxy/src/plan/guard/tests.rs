use proptest::prelude::*;

use super::*;
use crate::settings::{AccessSettings, RateSettings};

fn access(text: &str) -> Result<Access, String> {
    let settings: AccessSettings = serde_json::from_str(text).expect("settings");
    let mut problems = Problems::default();
    let made = Access::new("sites[0]", &settings, &mut problems);
    match problems.into_result(()) {
        Ok(()) => Ok(made.expect("access")),
        Err(error) => Err(error.to_string()),
    }
}

fn allows(access: &Access, address: &str) -> bool {
    access.allows((address != "unix").then(|| address.parse().expect("address")))
}

#[test]
fn with_an_allow_list_everybody_else_stays_out() {
    let access =
        access(r#"{"allow": ["10.0.0.0/8", "unix:"], "deny": ["10.0.0.5"]}"#).expect("access");
    for (address, expected) in [
        ("10.1.2.3", true),
        ("10.0.0.5", false),
        ("11.0.0.1", false),
        ("::1", false),
        ("::ffff:10.1.1.1", true),
        ("unix", true),
    ] {
        assert_eq!(allows(&access, address), expected, "{address}");
    }
}

#[test]
fn with_a_deny_list_alone_everybody_else_comes_in() {
    let access = access(r#"{"deny": ["10.0.0.0/8"]}"#).expect("access");
    assert!(allows(&access, "11.0.0.1") && allows(&access, "unix") && !allows(&access, "10.0.0.1"));
}

#[test]
fn rules_are_read_in_order_as_nginx_does() {
    let access = access(r#"{"rules": ["deny 192.168.1.1", "allow 192.168.1.0/24", "deny all"]}"#)
        .expect("access");
    for (address, expected) in [
        ("192.168.1.1", false),
        ("192.168.1.2", true),
        ("192.168.2.1", false),
        ("unix", false),
    ] {
        assert_eq!(allows(&access, address), expected, "{address}");
    }
}

#[test]
fn unclear_access_is_refused() {
    for text in [
        "{}",
        r#"{"rules": ["deny all"], "deny": ["all"]}"#,
        r#"{"rules": ["permit all"]}"#,
        r#"{"allow": ["10.0.0.0/40"]}"#,
    ] {
        assert!(access(text).is_err(), "{text}");
    }
}

fn limit(settings: &RateSettings) -> Result<Limit, String> {
    let mut problems = Problems::default();
    let mut made = rate::all(
        "sites[0]",
        "a",
        std::slice::from_ref(settings),
        &mut problems,
    );
    match problems.into_result(()) {
        Ok(()) => Ok(made.remove(0)),
        Err(error) => Err(error.to_string()),
    }
}

fn settings(rate: &str, key: &str) -> RateSettings {
    RateSettings {
        key: key.to_owned(),
        rate: rate.to_owned(),
        burst: None,
        delay: false,
        status: 429,
        dry_run: false,
        announce: false,
        except: Vec::new(),
    }
}

#[test]
fn rates_are_read() {
    let made = limit(&settings("30/m", "cookie:session")).expect("limit");
    assert_eq!(made.quota.every, std::time::Duration::from_secs(2));
    assert_eq!(made.quota.burst, 30);
    for rate in ["", "10", "0/s", "10/x", "-1/s", "99999999/s"] {
        assert!(limit(&settings(rate, "address")).is_err(), "{rate}");
    }
    for key in ["", "header:", "cookie:a b", "user"] {
        assert!(limit(&settings("1/s", key)).is_err(), "{key}");
    }
}

#[test]
fn exceptions_are_paths_or_everything_below() {
    let mut problems = Problems::default();
    let paths = ["/healthz".to_owned(), "/.well-known/".to_owned()];
    let free = Exceptions::new("x", &paths, &mut problems);
    assert!(free.cover("/healthz") && free.cover("/.well-known/a"));
    assert!(!free.cover("/healthz/x") && !free.cover("/healthzx") && !free.cover("/.well-known"));
}

proptest! {
    #[test]
    fn no_text_makes_a_limit_panic(rate in "[0-9/smhd ]{0,12}", key in "[a-z:]{0,12}") {
        drop(limit(&settings(&rate, &key)));
    }
}
