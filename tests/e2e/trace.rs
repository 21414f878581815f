//! One click is one trace, from the visitor's request to the last background task.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use crate::harness::collector::{Collector, Span};
use crate::harness::eventually::PATIENCE;
use crate::harness::ground::Options;
use crate::harness::polls;
use crate::harness::stack::Stack;

#[tokio::test]
async fn one_vote_is_one_trace_from_the_proxy_to_the_workers_sql() {
    let collector = Collector::start().await;
    let options = Options::default().set("telemetry.otlp_endpoint", &collector.endpoint);
    let stack = Stack::start(options).await;
    let mut visitor = stack.visitor();
    let poll = polls::new_poll(&mut visitor).await;

    polls::vote(&mut visitor, &poll).await;

    let chain = collector
        .wait("the spans of one vote", PATIENCE, find_chain)
        .await;
    let roots = chain.iter().filter(|span| span.parent.is_empty()).count();
    assert_eq!(roots, 1, "{chain:#?}");
    assert!(chain.windows(2).all(|pair| pair[0].trace == pair[1].trace));
    stack.stop().await;
}

/// What the spans of a vote look like, from the root down.
const STEPS: &[(&str, &str, SpanKind, &str)] = &[
    (
        "the proxy receives",
        "kiuas-proxy",
        SpanKind::Server,
        "proxy POST",
    ),
    ("the proxy forwards", "kiuas-proxy", SpanKind::Client, ""),
    ("the site answers", "site-web", SpanKind::Server, "POST "),
    ("the task is sent", "", SpanKind::Producer, "send "),
    ("the task runs", "site-worker", SpanKind::Consumer, "run "),
    ("the task writes", "site-worker", SpanKind::Client, ""),
];

/// The chain of [`STEPS`], each the child of the one before, for the last vote; other SQL hangs off it.
fn find_chain(spans: &[Span]) -> Option<Vec<Span>> {
    let root = spans.iter().find(|span| {
        matches(span, STEPS[0].1, STEPS[0].2, STEPS[0].3)
            && span.attributes.iter().any(|it| it.ends_with("/vote"))
    })?;
    let mut chain = vec![root.clone()];
    for (_, service, kind, name) in &STEPS[1..] {
        let parent = chain.last().expect("never empty");
        let child = spans
            .iter()
            .find(|span| descends(spans, span, parent) && matches(span, service, *kind, name))?;
        chain.push(child.clone());
    }
    let web = &chain[2];
    let inserts = spans
        .iter()
        .any(|span| descends(spans, span, web) && span.service == "site-web" && is_insert(span));
    inserts.then_some(chain)
}

fn matches(span: &Span, service: &str, kind: SpanKind, name: &str) -> bool {
    (service.is_empty() || span.service == service)
        && span.kind == kind
        && span.name.starts_with(name)
}

fn is_insert(span: &Span) -> bool {
    span.kind == SpanKind::Client && span.name.to_uppercase().contains("INSERT")
}

/// True if `span` is a child of `ancestor`, or a child of its children.
fn descends(spans: &[Span], span: &Span, ancestor: &Span) -> bool {
    let mut current = span.clone();
    while current.trace == ancestor.trace && !current.parent.is_empty() {
        if current.parent == ancestor.id {
            return true;
        }
        match spans.iter().find(|it| it.id == current.parent) {
            Some(parent) => current = parent.clone(),
            None => return false,
        }
    }
    false
}
