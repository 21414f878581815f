use http::HeaderMap;

use super::*;

fn rules(site: &str, route: &str) -> (HeaderRules, Vec<String>) {
    let mut problems = Problems::default();
    let read = |text: &str| toml_settings(text);
    let site = HeaderRules::of_site("sites[0]", Some(&read(site)), false, &mut problems);
    let route = site.with("sites[0].routes[0]", Some(&read(route)), &mut problems);
    let problems = match problems.into_result(()) {
        Ok(()) => Vec::new(),
        Err(error) => error.problems.iter().map(ToString::to_string).collect(),
    };
    (route, problems)
}

fn toml_settings(text: &str) -> HeaderSettings {
    serde_json::from_str(text).expect("settings")
}

fn applied(rules: &HeaderRules, fields: &[(&'static str, &'static str)]) -> Vec<String> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_static(value));
    }
    rules.apply(&mut headers);
    let mut lines: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().expect("text")))
        .collect();
    lines.sort();
    lines
}

#[test]
fn set_wins_default_loses_and_add_stands_beside() {
    let (rules, problems) = rules(
        r#"{"set": {"x-a": "ours"}, "default": {"x-b": "ours"}, "add": {"x-c": "ours"}, "remove": ["x-d"]}"#,
        "{}",
    );
    assert!(problems.is_empty());
    assert_eq!(
        applied(
            &rules,
            &[
                ("x-a", "theirs"),
                ("x-b", "theirs"),
                ("x-c", "theirs"),
                ("x-d", "theirs")
            ]
        ),
        ["x-a: ours", "x-b: theirs", "x-c: ours", "x-c: theirs"]
    );
    assert_eq!(
        applied(&rules, &[]),
        ["x-a: ours", "x-b: ours", "x-c: ours"]
    );
}

#[test]
fn a_routes_rule_replaces_its_sites() {
    let (rules, _) = rules(
        r#"{"set": {"x-a": "site", "x-b": "site"}, "security": true}"#,
        r#"{"add": {"x-a": "route"}, "remove": ["x-frame-options"]}"#,
    );
    let lines = applied(&rules, &[]);
    assert!(lines.contains(&"x-a: route".to_owned()), "{lines:?}");
    assert!(!lines.contains(&"x-a: site".to_owned()), "{lines:?}");
    assert!(lines.contains(&"x-b: site".to_owned()), "{lines:?}");
    assert!(
        !lines.iter().any(|line| line.starts_with("x-frame-options")),
        "{lines:?}"
    );
    assert!(lines.contains(&"x-content-type-options: nosniff".to_owned()));
}

#[test]
fn what_an_application_says_about_itself_stays_inside_unless_told() {
    let (hidden, _) = rules("{}", "{}");
    assert!(applied(&hidden, &[("server", "Python")]).is_empty());
    let (passed, _) = rules(r#"{"server": "pass"}"#, "{}");
    assert_eq!(
        applied(&passed, &[("server", "Python")]),
        ["server: Python"]
    );
    let (named, _) = rules(r#"{"server": "pass"}"#, r#"{"server": "edge"}"#);
    assert_eq!(applied(&named, &[("server", "Python")]), ["server: edge"]);
}

#[test]
fn fields_that_frame_a_message_and_bad_texts_are_refused() {
    let (_, problems) = rules(
        r#"{"set": {"content-length": "1", "x-a": "a\nb"}, "remove": ["a b"]}"#,
        r#"{"request": {"set": {"Transfer-Encoding": "chunked"}}}"#,
    );
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert!(
        problems
            .iter()
            .any(|one| one.contains("sites[0].routes[0].headers.request.set"))
    );
}
