//! A foreign producer: puts tasks on the queue as any Celery client would, without our own code.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kiuas_common::redis::Redis;
use serde_json::{Value, json};
use uuid::Uuid;

/// The queue that workers read unless told otherwise.
pub(crate) const QUEUE: &str = "celery";

/// Sends `count` tasks `name` in one round trip; `kwargs` makes the arguments of each.
/// Returns their ids.
pub(crate) async fn send_many(
    redis: &Redis,
    name: &str,
    count: usize,
    kwargs: impl Fn(usize) -> Value,
) -> Vec<String> {
    let mut connection = redis.get().await.expect("Redis");
    let mut pipeline = redis::pipe();
    let mut ids = Vec::new();
    for number in 0..count {
        let id = Uuid::new_v4().to_string();
        let envelope = envelope(&id, name, &kwargs(number)).to_string();
        pipeline.cmd("LPUSH").arg(QUEUE).arg(envelope).ignore();
        ids.push(id);
    }
    pipeline
        .query_async::<()>(&mut connection)
        .await
        .expect("LPUSH");
    ids
}

/// Celery's message protocol 2 in kombu's envelope for Redis.
fn envelope(id: &str, name: &str, kwargs: &Value) -> Value {
    let embed = json!({"callbacks": null, "errbacks": null, "chain": null, "chord": null});
    let body = json!([[], kwargs, embed]).to_string();
    json!({
        "body": STANDARD.encode(body),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py", "task": name, "id": id, "root_id": id, "parent_id": null,
            "group": null, "group_index": null, "shadow": null, "eta": null, "expires": null,
            "retries": 0, "timelimit": [null, null], "argsrepr": "()", "kwargsrepr": "{}",
            "origin": "gen1@test", "ignore_result": false, "replaced_task_nesting": 0,
            "stamped_headers": null, "stamps": {},
        },
        "properties": {
            "correlation_id": id, "reply_to": "", "delivery_mode": 2, "priority": 0,
            "delivery_info": {"exchange": "", "routing_key": QUEUE},
            "body_encoding": "base64", "delivery_tag": Uuid::new_v4().to_string(),
        },
    })
}
