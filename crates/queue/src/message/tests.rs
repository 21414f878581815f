use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::call::Call;

macro_rules! captured {
    ($name:literal) => {
        include_bytes!(concat!("../../tests/data/", $name)).as_slice()
    };
}

fn parsed(raw: &[u8]) -> (Envelope, Body) {
    let envelope = Envelope::parse(raw).expect("an envelope");
    let body = envelope.body().expect("a body");
    (envelope, body)
}

fn with_body(body: &[u8]) -> Vec<u8> {
    json!({
        "body": STANDARD.encode(body),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"task": "t", "id": "1"},
        "properties": {"body_encoding": "base64"},
    })
    .to_string()
    .into_bytes()
}

#[test]
fn a_captured_message_is_understood() {
    let (envelope, body) = parsed(captured!("add.json"));
    assert_eq!(envelope.headers.task, "capapp.add");
    assert_eq!(envelope.headers.id, "7abb4a46-4825-4bcc-ac7e-d94d5424f934");
    assert_eq!(body.0, [json!(2), json!(3)]);
    assert!(body.2.is_empty());
}

#[test]
fn captured_messages_pass_through_unchanged() {
    for raw in [
        captured!("add.json"),
        captured!("chain.json"),
        captured!("chord-header.json"),
        captured!("eta.json"),
        captured!("link.json"),
        captured!("priority.json"),
        captured!("retry-after.json"),
        captured!("serializer-json.json"),
        captured!("serializer-pickle.json"),
        captured!("stamp.json"),
    ] {
        let before: Value = serde_json::from_slice(raw).expect("JSON");
        let envelope = Envelope::parse(raw).expect("an envelope");
        let after = serde_json::to_value(&envelope).expect("JSON");
        assert_eq!(before, after);
    }
}

#[test]
fn a_captured_chain_is_read_last_first() {
    let (_, body) = parsed(captured!("chain.json"));
    let args: Vec<_> = body
        .2
        .chain
        .expect("a chain")
        .into_iter()
        .map(|signature| signature.args)
        .collect();
    assert_eq!(args, [[json!(3)], [json!(2)]]);
}

#[test]
fn captured_callbacks_are_read() {
    let (_, body) = parsed(captured!("link.json"));
    let names = |list: Option<Vec<Signature>>| -> Vec<String> {
        list.expect("signatures")
            .into_iter()
            .map(|signature| signature.task)
            .collect()
    };
    assert_eq!(names(body.2.callbacks), ["capapp.add"]);
    assert_eq!(names(body.2.errbacks), ["capapp.onerr"]);
}

#[test]
fn protocol_v1_becomes_v2() {
    let (envelope, body) = parsed(captured!("protocol-v1.json"));
    assert_eq!(envelope.headers.task, "t.v1");
    assert_eq!(envelope.headers.id, "9b9fad43-dca7-4054-84d4-fd542c169dd5");
    assert_eq!(body.0, [json!(1)]);
    let again = envelope.to_text().expect("text");
    let (same, _) = parsed(again.as_bytes());
    assert_eq!(same.headers.task, "t.v1");
}

#[test]
fn a_retry_differs_from_the_captured_one_in_nothing_but_time_and_tag() {
    let before = Envelope::parse(captured!("retry-before.json")).expect("an envelope");
    let theirs: Value = serde_json::from_slice(captured!("retry-after.json")).expect("JSON");
    let eta = parse_iso("2026-11-23T11:12:54.388950+00:00").expect("a time");
    let ours = before.retried("celery", eta).expect("a message");
    let mut ours: Value = serde_json::from_str(&ours.text).expect("JSON");
    ours["properties"]["delivery_tag"] = theirs["properties"]["delivery_tag"].clone();
    // Celery repeats the origin among the properties.
    ours["properties"]["origin"] = theirs["properties"]["origin"].clone();
    assert_eq!(ours, theirs);
}

#[test]
fn pickle_and_compression_are_refused() {
    for (raw, what) in [
        (
            captured!("serializer-pickle.json"),
            "application/x-python-serialize",
        ),
        (captured!("serializer-gzip.json"), "application/x-gzip"),
    ] {
        let envelope = Envelope::parse(raw).expect("an envelope");
        match envelope.body() {
            Err(MessageError::ContentDisallowed(content)) => assert_eq!(content, what),
            other => panic!("not refused: {other:?}"),
        }
    }
}

#[test]
fn what_only_python_writes_is_read() {
    let (_, body) = parsed(&with_body(
        br#"[[NaN, -Infinity, "NaN \ud83d\ude00 \ud800 x", "\\ud800"], {}, {}]"#,
    ));
    assert_eq!(
        body.0,
        [
            Value::Null,
            Value::Null,
            json!("NaN \u{1f600} \u{fffd} x"),
            json!("\\ud800")
        ]
    );
}

#[test]
fn extended_types_pass_through_and_are_readable() {
    let uuid =
        json!({"__type__": "uuid", "__value__": {"hex": "0af7651916cd43dd8448eb211c80319c"}});
    let time = json!({"__type__": "datetime", "__value__": "2026-11-23T11:12:58+00:00"});
    let raw = with_body(json!([[uuid, [time]], {}, {}]).to_string().as_bytes());
    let (_, body) = parsed(&raw);
    assert_eq!(body.0, [uuid, json!([time])]);
    let plain: Vec<_> = body.0.into_iter().map(plain).collect();
    assert_eq!(
        plain,
        [
            json!("0af7651916cd43dd8448eb211c80319c"),
            json!(["2026-11-23T11:12:58+00:00"])
        ]
    );
}

#[test]
fn nonsense_is_an_error() {
    let long = format!("{{\"headers\": \"{}\"}}", "x".repeat(LONGEST_MESSAGE));
    for raw in [
        "",
        "not json",
        "{}",
        "[]",
        r#"{"body": "", "headers": {}}"#,
        r#"{"body": "", "headers": {"task": 1, "id": "1"}}"#,
        r#"{"body": "", "headers": {"task": "", "id": "1"}}"#,
        r#"{"body": "", "headers": {"task": "t", "id": ""}}"#,
        r#"{"body": "", "headers": {"task": "t", "id": "1", "retries": -1}}"#,
        &"[".repeat(10_000),
        &long,
    ] {
        assert!(Envelope::parse(raw.as_bytes()).is_err(), "{}", raw.len());
    }
}

#[test]
fn our_messages_have_every_header_that_celerys_have() {
    let theirs: Value = serde_json::from_slice(captured!("add.json")).expect("JSON");
    let mut call = Call::new("capapp.add", vec![json!(2), json!(3)], Map::new());
    call.options.id = Some("7abb4a46-4825-4bcc-ac7e-d94d5424f934".into());
    let message = call.message("celery", None).expect("a message");
    let ours: Value = serde_json::from_str(&message.text).expect("JSON");
    let mut expected = theirs.clone();
    // What is ours by nature.
    for (part, key) in [
        ("headers", "lang"),
        ("headers", "origin"),
        ("properties", "reply_to"),
        ("properties", "delivery_tag"),
    ] {
        expected[part][key] = ours[part][key].clone();
    }
    let body = |message: &Value| -> Value {
        let text = message["body"].as_str().expect("text");
        serde_json::from_slice(&STANDARD.decode(text).expect("base64")).expect("JSON")
    };
    assert_eq!(body(&ours), body(&theirs));
    expected["body"] = ours["body"].clone();
    assert_eq!(ours, expected);
    assert_eq!(ours["headers"]["lang"], "rs");
}

#[test]
fn limits_and_times_are_written_in_celerys_order_and_form() {
    let mut call = Call::new("t", Vec::new(), Map::new());
    call.options.soft_time_limit = Some(std::time::Duration::from_secs(5));
    call.options.hard_time_limit = Some(std::time::Duration::from_secs(9));
    call.options.eta = Some(Timestamp::from_microsecond(1_795_432_378_209_985).expect("a time"));
    let message = call.message("celery", None).expect("a message");
    let envelope = Envelope::parse(message.text.as_bytes()).expect("an envelope");
    assert_eq!(envelope.headers.timelimit, Some([Some(9.0), Some(5.0)]));
    assert_eq!(
        envelope.headers.eta.as_deref(),
        Some("2026-11-23T11:12:58.209985+00:00")
    );
}

#[test]
fn times_without_an_offset_count_as_utc() {
    assert_eq!(
        parse_iso("2026-11-23T11:12:58.209985"),
        parse_iso("2026-11-23T11:12:58.209985+00:00")
    );
    assert_eq!(parse_iso("tomorrow"), None);
}

#[test]
fn arguments_are_shown_as_python_prints_them() {
    let args = [
        json!(2),
        json!("it's"),
        json!([true, null]),
        json!({"k": "a\n"}),
    ];
    assert_eq!(
        repr::arguments(&args),
        r#"(2, "it's", [True, None], {'k': 'a\n'})"#
    );
    assert_eq!(repr::arguments(&args[..1]), "(2,)");
    assert_eq!(repr::arguments(&[]), "()");
    let long = repr::arguments(&[json!("é".repeat(5000))]);
    assert!(
        long.ends_with("...") && long.chars().count() <= 1024,
        "{}",
        long.len()
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(raw in prop::collection::vec(any::<u8>(), 0..400)) {
        drop(Envelope::parse(&raw));
        let envelope = Envelope::parse(&with_body(&raw));
        drop(envelope.expect("an envelope").body());
        drop(lenient::repair(&raw));
    }

    #[test]
    fn changed_messages_are_read_without_panic(
        at in 0_usize..900, byte in any::<u8>(), cut in 0_usize..900,
    ) {
        let mut raw = captured!("link.json").to_vec();
        raw[at] = byte;
        if let Ok(envelope) = Envelope::parse(&raw) {
            drop(envelope.body());
        }
        drop(Envelope::parse(&raw[..cut]));
    }

    #[test]
    fn arguments_come_out_as_they_went_in(
        args in prop::collection::vec(any_json(), 0..4),
        kwargs in prop::collection::btree_map("[a-z]{1,8}", any_json(), 0..4),
        priority in any::<u8>(),
    ) {
        let kwargs: Map<String, Value> = kwargs.into_iter().collect();
        let mut call = Call::new("t", args.clone(), kwargs.clone());
        call.options.priority = priority;
        let message = call.message("q", None).expect("a message");
        let (envelope, body) = parsed(message.text.as_bytes());
        prop_assert_eq!(body.0, args);
        prop_assert_eq!(body.1, kwargs);
        prop_assert_eq!(envelope.priority(), priority.min(9));
    }

    #[test]
    fn valid_json_needs_no_repair(value in any_json()) {
        prop_assert_eq!(lenient::repair(value.to_string().as_bytes()), None);
    }

    #[test]
    fn unknown_headers_survive(name in "x-[a-z]{1,12}", value in any_json()) {
        let mut raw: Value = serde_json::from_slice(captured!("add.json")).expect("JSON");
        raw["headers"][&name] = value.clone();
        let envelope = Envelope::parse(raw.to_string().as_bytes()).expect("an envelope");
        let text = envelope.retried("q", Timestamp::now()).expect("a message").text;
        let after: Value = serde_json::from_str(&text).expect("JSON");
        prop_assert_eq!(&after["headers"][&name], &value);
    }
}
