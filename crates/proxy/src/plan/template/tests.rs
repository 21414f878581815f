use proptest::prelude::*;

use super::*;

fn render(text: &str, regex: Option<&str>, target: &str) -> String {
    let regex = regex.map(|text| Regex::new(text).expect("regex"));
    let template = Template::location(text, regex.as_ref()).expect("template");
    let uri: Uri = target.parse().expect("target");
    let path = crate::plan::path::normal(uri.path()).into_owned();
    let captured = regex.and_then(|regex| Captured::find(&regex, &path));
    let scope = Scope {
        uri: &uri,
        host: "example.org",
        scheme: "https",
        captured: captured.as_ref(),
    };
    template.render(&scope).expect("a result")
}

#[test]
fn variables_stand_for_parts_of_the_request() {
    for (text, target, expected) in [
        ("https://$host$uri", "/a?b=c", "https://example.org/a?b=c"),
        (
            "$scheme://new.example$path",
            "/a?b=c",
            "https://new.example/a",
        ),
        ("/new?from=$path&$query", "/a?b=c", "/new?from=/a&b=c"),
        ("/new?$query", "/a", "/new"),
        ("/price/$$5", "/", "/price/$5"),
        ("/${scheme}s", "/", "/httpss"),
    ] {
        assert_eq!(render(text, None, target), expected, "{text}");
    }
}

#[test]
fn captures_are_escaped_again() {
    let regex = Some("(?s)^/blog/([0-9]+)/(?P<slug>.*)$");
    assert_eq!(render("/b/$1-$slug", regex, "/blog/7/x"), "/b/7-x");
    let evil = "/blog/7/%0d%0aSet-Cookie:%20a=b";
    assert_eq!(render("/b/$2", regex, evil), "/b/%0D%0ASet-Cookie:%20a=b");
    assert_eq!(render("/b/$2", regex, "/blog/7/%3Fx%23y"), "/b/%3Fx%23y");
}

#[test]
fn a_redirection_to_a_path_stays_on_this_site() {
    assert_eq!(render("$path", None, "//evil.example/x"), "/evil.example/x");
    assert_eq!(render("$uri", None, "///evil.example"), "/evil.example");
    assert_eq!(
        render("/$1", Some("^/r/(.*)$"), "/r//evil.example"),
        "/evil.example"
    );
    assert_eq!(
        render("/$1", Some("^/r/?(.*)$"), "/r/%5Cevil.example"),
        "/%5Cevil.example"
    );
}

#[test]
fn the_host_of_a_url_comes_from_the_settings() {
    let regex = Regex::new("^/(.*)$").expect("regex");
    for text in [
        "https://$1/",
        "https://example.org$1",
        "$1",
        "$scheme$1",
        "https://user@example.org/",
        "https:///x",
        "//example.org/",
        "javascript:alert(1)",
        "https://example.org$query",
    ] {
        assert!(Template::location(text, Some(&regex)).is_err(), "{text}");
    }
    for text in [
        "https://example.org/$1",
        "https://www.$host/$1",
        "https://example.org?x=$1",
        "https://example.org",
        "https://example.org:8443$uri",
    ] {
        assert!(Template::location(text, Some(&regex)).is_ok(), "{text}");
    }
}

#[test]
fn unknown_variables_are_refused() {
    for text in ["/$1", "/$nothing", "/$", "/${path"] {
        assert!(Template::parse(text, None).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn no_template_panics_or_makes_a_bad_header(
        text in "[ -~]{0,24}",
        path in "/[!-;=?-Z_a-z~]{0,24}",
    ) {
        let regex = Regex::new("^/(.)?(.*)$").expect("regex");
        let Ok(template) = Template::location(&text, Some(&regex)) else { return Ok(()) };
        let Ok(uri) = path.parse::<Uri>() else { return Ok(()) };
        let captured = Captured::find(&regex, &crate::plan::path::normal(uri.path()));
        let scope = Scope { uri: &uri, host: "a.example", scheme: "http", captured: captured.as_ref() };
        let out = template.render(&scope).expect("short");
        prop_assert!(http::HeaderValue::from_str(&out).is_ok());
        prop_assert!(!out.starts_with("//"), "{} gives {}", text, out);
    }
}
