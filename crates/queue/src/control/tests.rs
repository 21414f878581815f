use serde_json::{Value, json};

use super::*;

fn request(body: &Value, headers: &Value) -> ControlRequest {
    let text = envelope(REQUESTS, "", headers, body);
    ControlRequest::read(text.as_bytes()).expect("a request")
}

#[test]
fn captured_requests_are_read() {
    let captured: Value =
        serde_json::from_str(include_str!("../../tests/data/pidbox.json")).expect("JSON");
    let exchanges = captured["exchanges"].as_array().expect("a list");
    assert!(!exchanges.is_empty());
    for exchange in exchanges {
        let sent = &exchange["request"];
        let mut headers = sent["headers"].clone();
        headers["expires"] = json!(4e9);
        let read = request(&sent["body"], &headers);
        assert_eq!(json!(read.method), sent["body"]["method"]);
        assert_eq!(json!(read.arguments), sent["body"]["arguments"]);
        assert_eq!(json!(read.clock), sent["headers"]["clock"]);
        assert!(read.is_for("w1@cap") || !sent["body"]["destination"].is_null());
    }
}

#[test]
fn a_request_reaches_those_whom_it_names_while_it_is_fresh() {
    let reaches = |body: Value, headers: Value| request(&body, &headers).is_for("kiuas-1@host");
    assert!(reaches(json!({"method": "ping"}), json!({})));
    let to = |name: &str| json!({"method": "ping", "destination": [name]});
    assert!(reaches(to("kiuas-1@host"), json!({})));
    assert!(!reaches(to("celery@host"), json!({})));
    let like = |pattern: &str| json!({"method": "ping", "pattern": pattern, "matcher": "glob"});
    assert!(reaches(like("kiuas-*"), json!({})));
    assert!(reaches(like("*-?@h*t"), json!({})));
    assert!(!reaches(like("celery*"), json!({})));
    assert!(!reaches(json!({"method": "ping"}), json!({"expires": 1.0})));
}

#[test]
fn what_is_no_request_is_passed_over() {
    for text in ["", "{}", "[]", r#"{"body": 1}"#] {
        assert!(ControlRequest::read(text.as_bytes()).is_none(), "{text}");
    }
    let no_method = envelope(REQUESTS, "", &json!({}), &json!({"arguments": {}}));
    assert!(ControlRequest::read(no_method.as_bytes()).is_none());
}

#[test]
fn the_clock_goes_on_from_the_latest_time_that_it_heard_of() {
    let clock = Clock::default();
    assert_eq!(clock.tick(), 1);
    clock.hear(40);
    assert_eq!(clock.now(), 41);
    clock.hear(7);
    assert_eq!(clock.now(), 42);
}
