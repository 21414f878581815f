use serde_json::{Map, Value, json};

use super::*;
use crate::call::Call;
use crate::message::{Envelope, Signature};

fn task(name: &str) -> Signature {
    Call::new(name, Vec::new(), Map::new()).into()
}

fn carried(workflow: Signature) -> Plan {
    let carrier = Carrier {
        default_queue: "celery",
        queue_of: &|name| (name == "slow").then(|| "slow".to_owned()),
        root_id: None,
        parent_id: Some("parent".to_owned()),
        priority: 3,
        reply_to: None,
        trace: None,
    };
    let mut plan = Plan::default();
    let first = json!(1);
    carrier
        .carry(workflow, Some(&first), Vec::new(), &mut plan)
        .expect("a plan");
    plan
}

fn read(plan: &Plan) -> Vec<Envelope> {
    let messages = plan.messages.iter();
    messages
        .map(|message| Envelope::parse(message.text.as_bytes()).expect("an envelope"))
        .collect()
}

#[test]
fn of_a_chain_only_the_first_is_sent_and_the_rest_travels_in_it_last_first() {
    let nested = Signature::chain(vec![task("b"), task("c")]);
    let plan = carried(Signature::chain(vec![task("a"), nested, task("d")]));
    let messages = read(&plan);
    assert_eq!(messages.len(), 1);
    let body = messages[0].body().expect("a body");
    let rest: Vec<_> = body.2.chain.expect("a chain");
    let names: Vec<_> = rest.iter().map(|it| it.task.as_str()).collect();
    assert_eq!(names, ["d", "c", "b"]);
    assert_eq!(body.0, [json!(1)]);
}

#[test]
fn a_group_that_something_follows_travels_as_a_chord() {
    let group = Signature::group(vec![task("b"), task("c")]);
    let plan = carried(Signature::chain(vec![
        task("a"),
        group,
        task("d"),
        task("e"),
    ]));
    let body = read(&plan)[0].body().expect("a body");
    let rest = body.2.chain.expect("a chain");
    let kinds: Vec<_> = rest.iter().map(|it| it.subtask_type.as_deref()).collect();
    assert_eq!(kinds, [None, Some("chord")]);
    assert_eq!(rest[1].kwargs["body"]["task"], "d");
}

#[test]
fn each_member_of_a_chord_has_its_place_and_the_body() {
    let header = vec![task("a"), Signature::chain(vec![task("b"), task("c")])];
    let plan = carried(Signature::chord(header, &task("body")));
    let group = match plan.chords.as_slice() {
        [ChordStep::Begin { group, size: 2 }] => group.clone(),
        other => panic!("not one chord of two: {other:?}"),
    };
    let messages = read(&plan);
    let names: Vec<_> = messages.iter().map(|it| it.headers.task.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(messages[0].headers.group.as_deref(), Some(group.as_str()));
    let embed = messages[0].body().expect("a body").2;
    assert_eq!(embed.chord.expect("a chord")["task"], "body");
    // Of the chain the last counts.
    assert_eq!(messages[1].headers.group, None);
    let rest = messages[1]
        .body()
        .expect("a body")
        .2
        .chain
        .expect("a chain");
    assert_eq!(rest[0].options["group_id"], json!(group));
    assert_eq!(rest[0].options["group_index"], 1);
    assert_eq!(rest[0].options["chord"]["task"], "body");
}

#[test]
fn a_task_goes_to_its_own_queue_with_the_senders_priority() {
    let plan = carried(task("slow"));
    assert_eq!(plan.messages[0].queue, "slow");
    assert_eq!(plan.messages[0].priority, 3);
    let mut elsewhere = task("slow");
    elsewhere.options.insert("queue".to_owned(), json!("other"));
    elsewhere.options.insert("priority".to_owned(), json!(9));
    let plan = carried(elsewhere);
    assert_eq!(plan.messages[0].queue, "other");
    assert_eq!(plan.messages[0].priority, 9);
}

#[test]
fn a_workflow_that_grows_beyond_bounds_is_refused() {
    let mut body = task("body");
    body.args = vec![Value::from("x".repeat(1 << 20))];
    let header = (0..100).map(|_| task("member")).collect();
    let carrier = Carrier {
        default_queue: "celery",
        queue_of: &|_| None,
        root_id: None,
        parent_id: None,
        priority: 0,
        reply_to: None,
        trace: None,
    };
    let mut plan = Plan::default();
    let refused = carrier.carry(Signature::chord(header, &body), None, Vec::new(), &mut plan);
    assert!(
        matches!(refused, Err(QueueError::Canvas { .. })),
        "{refused:?}"
    );
}

#[test]
fn what_is_no_workflow_is_an_error() {
    for kwargs in [json!({"tasks": 7}), json!({"tasks": [{"no": "task"}]})] {
        let mut broken = Signature::group(Vec::new());
        broken.kwargs = kwargs.as_object().cloned().unwrap_or_default();
        assert!(freeze(&mut broken).is_err());
    }
    let mut unknown = task("x");
    unknown.subtask_type = Some("mystery".to_owned());
    let carrier = Carrier {
        default_queue: "celery",
        queue_of: &|_| None,
        root_id: None,
        parent_id: None,
        priority: 0,
        reply_to: None,
        trace: None,
    };
    let refused = carrier.carry(unknown, None, Vec::new(), &mut Plan::default());
    assert!(refused.is_err());
}

#[test]
fn a_failure_reads_as_python_prints_it() {
    let exception = json!({"exc_type": "ValueError", "exc_message": ["it's", 7]});
    assert_eq!(chord::raised(&exception), "ValueError(\"it's\", 7)");
    let entries = [
        json!([1, "a", "SUCCESS", 1]),
        json!([1, "b", "FAILURE", exception]),
    ];
    assert_eq!(
        join(&entries),
        Counted::Failed("Dependency b raised ValueError(\"it's\", 7)".to_owned())
    );
}
