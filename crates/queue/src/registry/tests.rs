use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Add {
    x: i64,
    y: i64,
    #[serde(default)]
    note: Option<String>,
}

impl Task<()> for Add {
    const NAME: &'static str = "test.add";
    type Output = i64;

    async fn run(self, _: Context<()>) -> Result<i64, TaskError> {
        Ok(self.x + self.y)
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Cleanup;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Pair(i64, String);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct One(uuid::Uuid);

fn kwargs(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other}"),
    }
}

fn read<T: serde::de::DeserializeOwned>(args: Value, named: Value) -> Result<T, String> {
    let args = args.as_array().expect("a list").clone();
    arguments::read(args, kwargs(named)).map_err(|error| error.to_string())
}

#[test]
fn positional_arguments_fill_the_fields_in_order() {
    let add = |x, y, note: Option<&str>| Add {
        x,
        y,
        note: note.map(str::to_owned),
    };
    assert_eq!(read(json!([2, 3]), json!({})), Ok(add(2, 3, None)));
    assert_eq!(read(json!([2]), json!({"y": 3})), Ok(add(2, 3, None)));
    assert_eq!(
        read(json!([2, 3, "n"]), json!({"more": 1})),
        Ok(add(2, 3, Some("n")))
    );
}

#[test]
fn arguments_that_do_not_fit_are_errors() {
    for (args, named, says) in [
        (json!([1, 2, 3, 4]), json!({}), "takes 3 positional"),
        (
            json!([1, 2]),
            json!({"x": 1}),
            "multiple values for argument `x`",
        ),
        (json!([1]), json!({}), "missing field `y`"),
        (json!(["a", 2]), json!({}), "invalid type"),
    ] {
        let error = read::<Add>(args, named).expect_err(says);
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn structs_without_named_fields_are_tasks_too() {
    assert_eq!(read(json!([]), json!({})), Ok(Cleanup));
    assert!(read::<Cleanup>(json!([1]), json!({})).is_err());
    assert_eq!(
        read(json!([1, "a"]), json!({})),
        Ok(Pair(1, "a".to_owned()))
    );
    let id = uuid::Uuid::from_u128(7);
    assert_eq!(read(json!([id]), json!({})), Ok(One(id)));
    let extended = json!({"__type__": "uuid", "__value__": {"hex": id.simple().to_string()}});
    assert_eq!(read(json!([extended]), json!({})), Ok(One(id)));
}

#[tokio::test]
async fn a_registered_task_runs_by_name() {
    let mut registry = Registry::new();
    registry.add::<Add>();
    let task = registry.get("test.add").expect("the task");
    let ctx = Context::new(Arc::new(()), "1".into());
    let started = task
        .start(ctx, vec![json!(2), json!(3)], Map::new())
        .expect("arguments");
    assert_eq!(started.await.expect("a sum"), json!(5));
    assert!(registry.get("test.sub").is_none());
}
