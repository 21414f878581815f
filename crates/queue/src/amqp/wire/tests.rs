use lapin::message::Delivery;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::call::Call;
use crate::message::Envelope;

/// As RabbitMQ would hand out what was published.
fn delivered(publication: &Publication) -> Delivery {
    let mut delivery = Delivery::mock(
        7,
        "".into(),
        publication.routing_key.as_str().into(),
        false,
        publication.body.clone(),
    );
    delivery.properties = publication.properties.clone();
    delivery
}

fn there_and_back(text: &str) -> Envelope {
    let publication = Publication::of("celery", text.as_bytes()).expect("a message");
    let arrival = Arrival::of(&delivered(&publication));
    Envelope::parse(&arrival.raw).expect("an envelope")
}

#[test]
fn a_message_has_the_properties_that_celery_gives_it() {
    let captured = include_str!("../../../tests/data/add.json");
    let publication = Publication::of("celery", captured.as_bytes()).expect("a message");
    let properties = &publication.properties;
    assert_eq!(publication.exchange, "");
    assert_eq!(publication.routing_key, "celery");
    assert_eq!(properties.delivery_mode(), &Some(2));
    let text = |it: &Option<lapin::types::ShortString>| it.as_ref().map(ToString::to_string);
    assert_eq!(
        text(properties.content_type()).as_deref(),
        Some("application/json")
    );
    assert_eq!(
        text(properties.content_encoding()).as_deref(),
        Some("utf-8")
    );
    let envelope: Value = serde_json::from_str(captured).expect("JSON");
    assert_eq!(
        text(properties.correlation_id()).as_deref(),
        envelope["headers"]["id"].as_str()
    );
    let headers = properties.headers().as_ref().map(to_map).expect("headers");
    assert_eq!(Value::Object(headers), envelope["headers"]);
    let body: Value = serde_json::from_slice(&publication.body).expect("a plain body");
    assert_eq!(body[0], json!([2, 3]));
}

#[test]
fn captured_messages_keep_headers_and_body() {
    for captured in [
        include_str!("../../../tests/data/add.json"),
        include_str!("../../../tests/data/chain.json"),
        include_str!("../../../tests/data/eta.json"),
        include_str!("../../../tests/data/link.json"),
        include_str!("../../../tests/data/stamp.json"),
        include_str!("../../../tests/data/protocol-v1.json"),
    ] {
        let before = Envelope::parse(captured.as_bytes()).expect("an envelope");
        let after = there_and_back(captured);
        assert_eq!(after.headers, before.headers);
        assert_eq!(
            after.body().expect("a body"),
            before.body().expect("a body")
        );
    }
}

#[test]
fn priorities_are_turned_round_on_the_wire_alone() {
    let call = Call::new("t", Vec::new(), Map::new()).with_priority(3);
    let text = call.message("celery", None).expect("a message").text;
    let publication = Publication::of("celery", text.as_bytes()).expect("a message");
    assert_eq!(publication.properties.priority(), &Some(6));
    assert_eq!(there_and_back(&text).priority(), 3);
}

#[test]
fn a_message_that_expires_is_not_dropped_by_the_server() {
    let mut call = Call::new("t", Vec::new(), Map::new());
    call.options.expires = Some(Timestamp::now());
    let text = call.message("celery", None).expect("a message").text;
    let publication = Publication::of("celery", text.as_bytes()).expect("a message");
    assert_eq!(publication.properties.expiration(), &None);
    assert!(there_and_back(&text).headers.expires.is_some());
}

#[test]
fn headers_beyond_a_frame_are_refused() {
    let mut envelope: Value =
        serde_json::from_str(include_str!("../../../tests/data/add.json")).expect("JSON");
    envelope["headers"]["x-long"] = Value::from("x".repeat(LONGEST_HEADERS));
    let refused = Publication::of("celery", envelope.to_string().as_bytes());
    assert!(
        matches!(refused, Err(AmqpError::Headers { .. })),
        "{refused:?}"
    );
}

#[test]
fn the_servers_own_marks_are_not_the_tasks() {
    let text = include_str!("../../../tests/data/add.json");
    let publication = Publication::of("celery", text.as_bytes()).expect("a message");
    let publication = publication
        .with_header("x-death", &json!([{"count": 1, "reason": "expired"}]))
        .and_then(|it| it.with_header("x-delivery-count", &json!(4)))
        .expect("headers");
    let mut delivery = delivered(&publication);
    delivery.redelivered = true;
    let arrival = Arrival::of(&delivery);
    assert_eq!(arrival.redelivered, Some(Some(4)));
    let envelope = Envelope::parse(&arrival.raw).expect("an envelope");
    assert!(
        !envelope
            .headers
            .rest
            .keys()
            .any(|name| name.starts_with("x-"))
    );
}

fn any_header() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9_f64..1e9).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn unknown_headers_travel_on(name in "x-[a-z]{1,12}", value in any_header()) {
        let mut envelope: Value =
            serde_json::from_str(include_str!("../../../tests/data/add.json")).expect("JSON");
        envelope["headers"][&name] = value.clone();
        let after = there_and_back(&envelope.to_string());
        prop_assert_eq!(after.headers.rest.get(&name), Some(&value));
    }

    #[test]
    fn any_text_can_be_published_and_any_message_read(
        text in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let publication = Publication::of("celery", &text).expect("a message");
        let arrival = Arrival::of(&delivered(&publication));
        drop(Envelope::parse(&arrival.raw));
    }
}
