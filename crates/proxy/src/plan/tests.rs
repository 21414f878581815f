use kiuas_common::Settings;
use kiuas_common::settings::Sources;
use proptest::prelude::*;

use super::*;

/// The plan of the settings in `text`.
pub(super) fn plan(text: &str) -> Result<Plan, PlanError> {
    let directory = tempfile::tempdir().expect("directory");
    std::fs::write(directory.path().join("default.toml"), text).expect("settings");
    let sources = Sources {
        directory: directory.path().to_owned(),
        ..Sources::default()
    };
    let settings = Settings::load(&sources).expect("settings");
    Plan::new(&settings.section("proxy").expect("section"))
}

fn problem(text: &str) -> String {
    plan(text).expect_err("was accepted").to_string()
}

#[test]
fn the_defaults_can_be_used() {
    let plan = plan("").expect("plan");
    assert!(plan.sites.find("example.org").is_none());
}

#[test]
fn a_prefix_ends_at_a_slash() {
    let text =
        "[[proxy.sites]]\nhosts = ['*']\n[[proxy.sites.routes]]\nprefix = '/app'\nrespond = {}\n";
    let plan = plan(text).expect("plan");
    let routes = &plan.sites.find("any").expect("site").routes;
    for (path, found) in [
        ("/app", true),
        ("/app/", true),
        ("/app/x", true),
        ("/apple", false),
        ("/", false),
    ] {
        let lookup = routes.find(&http::Method::GET, path, &[]);
        assert_eq!(matches!(lookup, Lookup::Found(_)), found, "{path}");
    }
}

#[test]
fn a_wildcard_covers_what_is_below_and_not_the_name_itself() {
    let plan = plan("[[proxy.sites]]\nhosts = ['*.example.org']\n").expect("plan");
    assert!(plan.sites.find("a.example.org").is_some());
    assert!(plan.sites.find("a.b.example.org").is_some());
    assert!(plan.sites.find("example.org").is_none());
    assert!(plan.sites.find(".example.org").is_none());
    assert!(plan.sites.find("badexample.org").is_none());
}

#[test]
fn hosts_and_routes_are_written_once() {
    let hosts = problem("[[proxy.sites]]\nhosts = ['a']\n[[proxy.sites]]\nhosts = ['A']\n");
    assert!(hosts.contains("`A` is already another site's"), "{hosts}");
    let routes = problem(
        "[[proxy.sites]]\nhosts = ['a']\nroutes = [{ path = '/', respond = {} }, { path = '/', respond = {} }]\n",
    );
    assert!(routes.contains("`/` has a route already"), "{routes}");
}

#[test]
fn a_route_has_one_matcher_and_one_action() {
    for route in [
        "{ path = '/' }",
        "{ respond = {} }",
        "{ path = '/', prefix = '/', respond = {} }",
        "{ path = '/', upstream = 'a', respond = {} }",
    ] {
        let text = problem(&format!(
            "[[proxy.sites]]\nhosts = ['a']\nroutes = [{route}]\n"
        ));
        assert!(text.contains("exactly one of"), "{text}");
    }
}

#[test]
fn limits_must_make_sense() {
    let text =
        problem("[proxy.limits]\nconnections = 0\nhead_timeout = '0s'\ndrain_grace = '1m'\n");
    for key in [
        "limits.connections",
        "limits.head_timeout",
        "limits.drain_grace",
    ] {
        assert!(text.contains(key), "{key} is not in {text}");
    }
}

#[test]
fn networks_contain_what_their_bits_say() {
    let contains = |network: &str, address: &str| {
        let network: Network = network.parse().expect("network");
        network.contains(address.parse().expect("address"))
    };
    assert!(contains("10.0.0.0/8", "10.255.1.2") && !contains("10.0.0.0/8", "11.0.0.1"));
    assert!(contains("127.0.0.1", "127.0.0.1") && !contains("127.0.0.1", "127.0.0.2"));
    assert!(contains("127.0.0.1", "::ffff:127.0.0.1"));
    assert!(contains("0.0.0.0/0", "1.2.3.4") && !contains("0.0.0.0/0", "::1"));
    assert!(contains("fd00::/8", "fd12::1") && !contains("fd00::/8", "fe80::1"));
}

proptest! {
    #[test]
    fn no_text_makes_a_network_or_a_target_panic(text in "[0-9a-f:./\\[\\]]{0,24}") {
        drop(text.parse::<Network>());
        drop(text.parse::<crate::upstream::Target>());
    }
}

#[test]
fn a_swap_keeps_upstreams_with_the_same_settings_and_counts() {
    let with = |second: &str| {
        plan(&format!(
            "[proxy.upstreams]\none = {{ targets = '127.0.0.1:1' }}\ntwo = {{ targets = '{second}' }}\n"
        ))
        .expect("plan")
    };
    let plans = Plans::new(with("127.0.0.1:2"));
    let (before, old) = plans.current();
    plans.swap(with("127.0.0.1:3"));
    let (after, new) = plans.current();
    assert!(after > before);
    assert!(Arc::ptr_eq(&old.upstreams[0], &new.upstreams[0]));
    assert!(!Arc::ptr_eq(&old.upstreams[1], &new.upstreams[1]));
}

#[test]
fn upstreams_must_make_sense() {
    let text = problem(
        "[proxy.upstreams.app]\ntargets = ['a:1', { target = 'a:1' }, { target = 'b:1', weight = 0 }]\n\
         sticky = { cookie = 'a b' }\npassive = { fail_timeout = '0s' }\n\
         health = { path = 'x', status = 99, passes = 0, interval = '0s' }\n\
         breaker = { errors = 0, trials = 0, open = '0s' }\n\
         [proxy.upstreams.none]\n",
    );
    for part in [
        "`a:1` is written twice",
        "upstreams.app.targets`: `b:1` has the weight 0",
        "upstreams.app.sticky.cookie",
        "upstreams.app.passive.fail_timeout",
        "upstreams.app.health.path",
        "upstreams.app.health.status",
        "upstreams.app.health.passes",
        "upstreams.app.health.interval",
        "upstreams.app.breaker.errors",
        "upstreams.app.breaker.trials",
        "upstreams.app.breaker.open",
        "upstreams.none.targets",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn what_an_operator_changed_outlives_other_settings() {
    let upstream = |text: &str| {
        let text = format!("[proxy.upstreams.app]\n{text}\n");
        plan(&text).expect("plan")
    };
    let targets = |plan: &Plan| -> Vec<String> {
        let members = plan.upstreams[0].state.members();
        members
            .iter()
            .map(|one| one.spec.target.to_string())
            .collect()
    };
    let plans = Plans::new(upstream("targets = ['a:1', 'b:1']"));
    let before = plans.get().upstreams[0].state.members();
    plans.swap(upstream("targets = ['b:1', 'c:1']\nmax_connections = 7"));
    assert_eq!(targets(&plans.get()), ["b:1", "c:1"]);
    let after = plans.get().upstreams[0].state.members();
    assert!(Arc::ptr_eq(&before[1], &after[0]), "b was made anew");
    plans.get().upstreams[0].state.remove(&after[1]);
    plans.swap(upstream("targets = ['d:1']"));
    assert_eq!(targets(&plans.get()), ["b:1"]);
    let plan = plans.get();
    plan.upstreams[0].state.reset(&plan.upstreams[0].targets);
    assert_eq!(targets(&plan), ["d:1"]);
}

proptest! {
    #[test]
    fn a_network_is_read_as_it_is_written(address: std::net::IpAddr, bits in 0_u8..=32) {
        let network: Network = format!("{address}/{bits}").parse().expect("network");
        prop_assert_eq!(network.to_string().parse::<Network>(), Ok(network));
    }
}
