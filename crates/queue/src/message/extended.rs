//! Celery's extended JSON types, `{"__type__": "datetime", "__value__": "…"}`.

use serde_json::{Map, Value};

/// The value that a Rust field of the matching type reads: text for dates, decimals and UUIDs, the
/// base64 or plain text for bytes. Anything else stays as it is.
pub(crate) fn plain(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(plain).collect()),
        Value::Object(map) => object(map),
        other => other,
    }
}

fn object(mut map: Map<String, Value>) -> Value {
    let is_extended = map.len() == 2
        && map.get("__type__").is_some_and(Value::is_string)
        && map.contains_key("__value__");
    if !is_extended {
        return Value::Object(
            map.into_iter()
                .map(|(key, value)| (key, plain(value)))
                .collect(),
        );
    }
    match map.remove("__value__") {
        Some(Value::Object(mut inner)) if inner.len() == 1 => {
            let hex = inner.remove("hex");
            hex.unwrap_or(Value::Object(inner))
        }
        Some(value) => value,
        None => Value::Null,
    }
}
