use proptest::prelude::*;

use super::*;

fn entry<'a>(method: &'a Method, target: &'a Uri) -> Entry<'a> {
    Entry {
        client: Some(IpAddr::from([192, 0, 2, 1])),
        user: None,
        method: Some(method),
        target: Some(target),
        version: Version::HTTP_11,
        host: None,
        scheme: "https",
        tls: None,
        status: 200,
        bytes: 5,
        complete: true,
        duration: Duration::from_micros(1234),
        upstream: Some("app"),
        target_sent: None,
        upstream_duration: Some(Duration::from_micros(1)),
        retries: 0,
        cache: None,
        referer: None,
        user_agent: None,
        headers: &[],
        request_id: b"id",
        trace_id: None,
        fault: None,
    }
}

fn combined(entry: &Entry<'_>) -> String {
    let mut out = Vec::new();
    combined::write(&mut out, entry, &["mine".to_owned()]);
    String::from_utf8(out).expect("ASCII")
}

fn json(entry: &Entry<'_>) -> serde_json::Value {
    let mut out = Vec::new();
    json::write(&mut out, entry, &["mine".to_owned()]);
    assert_eq!(out.last(), Some(&b'\n'));
    serde_json::from_slice(&out).expect("JSON")
}

/// Without the time.
fn timeless(line: &str) -> String {
    let (begin, rest) = line.split_once('[').expect("a time");
    let (_, end) = rest.split_once(']').expect("a time");
    format!("{begin}[]{end}")
}

#[test]
fn a_line_is_nginxs() {
    let uri = Uri::from_static("/a?b=c");
    let (referer, agent) = (
        HeaderValue::from_static("https://example.org/x?token=1"),
        HeaderValue::from_bytes(b"curl \"8\" \\ \xe9").expect("value"),
    );
    let entry = Entry {
        user: Some("eve\"\n"),
        referer: Some(&referer),
        user_agent: Some(&agent),
        ..entry(&Method::GET, &uri)
    };
    assert_eq!(
        timeless(&combined(&entry)),
        "192.0.2.1 - eve\\x22\\x0A [] \"GET /a?b=c HTTP/1.1\" 200 5 \
         \"https://example.org/x?token=[redacted]\" \"curl \\x228\\x22 \\x5C \\xE9\"\n"
    );
}

#[test]
fn what_is_not_known_is_a_dash() {
    let uri = Uri::from_static("/");
    let refused = Entry {
        method: None,
        target: None,
        client: None,
        status: 400,
        ..entry(&Method::GET, &uri)
    };
    assert_eq!(
        timeless(&combined(&refused)),
        "unix: - - [] \"-\" 400 5 \"-\" \"-\"\n"
    );
}

#[test]
fn an_absolute_target_is_written_as_it_came() {
    let uri = Uri::from_static("http://a:80/b?c");
    let line = combined(&entry(&Method::GET, &uri));
    assert!(line.contains("\"GET http://a:80/b?c HTTP/1.1\""), "{line}");
    let line = combined(&Entry {
        version: Version::HTTP_2,
        ..entry(&Method::GET, &uri)
    });
    assert!(line.contains("\"GET /b?c HTTP/2.0\""), "{line}");
}

#[test]
fn the_time_is_nginxs() {
    let mut out = Vec::new();
    time::local(&mut out);
    let text = String::from_utf8(out).expect("ASCII");
    let parsed = jiff::fmt::strtime::parse("%d/%b/%Y:%H:%M:%S %z", &text);
    assert!(parsed.is_ok() && text.len() == 26, "{text}");
}

#[test]
fn json_has_the_documented_fields() {
    let uri = Uri::from_static("/a?password=x&q=1");
    let value = json(&entry(&Method::POST, &uri));
    assert_eq!(value["path"], "/a");
    assert_eq!(value["query"], "password=[redacted]&q=1");
    assert_eq!(value["duration_ms"], 1.234);
    assert_eq!(value["upstream_ms"], 0.001);
    assert_eq!(value["status"], 200);
    assert!(value.get("trace_id").is_none());
}

#[test]
fn secrets_in_queries_are_hidden_and_nothing_else() {
    let hide = |target: &str| {
        let mut out = Vec::new();
        redact::target(target.as_bytes(), &["mine".to_owned()], |piece| {
            out.extend_from_slice(piece);
        });
        String::from_utf8(out).expect("UTF-8")
    };
    for (given, shown) in [
        ("/a", "/a"),
        ("/a?", "/a?"),
        ("/a?page=2", "/a?page=2"),
        (
            "/a?access_token=x&page=2",
            "/a?access_token=[redacted]&page=2",
        ),
        ("/a?Password=x", "/a?Password=[redacted]"),
        ("/a?to%6ben=x", "/a?to%6ben=[redacted]"),
        ("/a?mine=x&yours=y", "/a?mine=[redacted]&yours=y"),
        ("/a?token=&b", "/a?token=&b"),
        ("/a?token", "/a?token"),
        ("/a?monkey=1&author=2", "/a?monkey=1&author=2"),
        ("/a?X-Amz-Signature=1", "/a?X-Amz-Signature=[redacted]"),
    ] {
        assert_eq!(hide(given), shown);
    }
}

proptest! {
    #[test]
    fn no_bytes_break_a_line(agent in prop::collection::vec(any::<u8>(), 0..60), user in ".*") {
        let uri = Uri::from_static("/");
        let agent = HeaderValue::from_bytes(&agent).ok();
        let entry = Entry { user_agent: agent.as_ref(), user: Some(&user), ..entry(&Method::GET, &uri) };
        let line = combined(&entry);
        prop_assert_eq!(line.matches('\n').count(), 1);
        prop_assert_eq!(line.matches('"').count(), 6);
        let value = json(&entry);
        prop_assert_eq!(value["user"].as_str(), Some(user.as_str()));
    }

    #[test]
    fn what_is_redacted_never_leaks(secret in "[a-zA-Z0-9]{12,30}", before in "[a-z=&?]{0,8}", name in "(token|api_key|pass|my-secret)") {
        let mut out = Vec::new();
        let given = format!("/p?{before}&{name}={secret}&z=1");
        redact::target(given.as_bytes(), &[], |piece| out.extend_from_slice(piece));
        let shown = String::from_utf8(out).expect("UTF-8");
        prop_assert!(!shown.contains(&secret), "{}", shown);
    }
}
