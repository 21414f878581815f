//! Requests held back, and sites that are being worked on.

use crate::harness::proxy::app;
use crate::harness::{App, PATIENCE, Proxy, Visitor, until};

fn controlled(settings: &str) -> Proxy {
    Proxy::start(&format!("control = 'unix:$DIR/control.sock'\n{settings}"))
}

/// Waits until so many requests wait.
async fn until_waiting(proxy: &Proxy, count: u64) {
    let look =
        async { while proxy.ctl_json(&["status"]).await["upstreams"][0]["waiting"] != count {} };
    tokio::time::timeout(PATIENCE, look)
        .await
        .expect("they wait");
}

#[tokio::test]
async fn requests_are_held_during_a_pause_and_all_are_answered_after_it() {
    let one = App::start().await;
    let proxy = controlled(&app(&one.target));
    let (code, out, _) = proxy.ctl(&["pause", "app"]).await;
    assert_eq!((code, out.contains("paused")), (0, true));
    let held: Vec<_> = (0..20)
        .map(|_| tokio::spawn(Visitor::get(proxy.http, "/")))
        .collect();
    until_waiting(&proxy, 20).await;
    assert_eq!(one.begun(), 0);
    let resumed = proxy.ctl_json(&["resume", "app"]).await;
    assert_eq!(
        (&resumed["was_paused"], &resumed["released"]),
        (&true.into(), &20.into())
    );
    for task in held {
        assert_eq!(task.await.expect("visitor").status, 200);
    }
    let status = proxy.ctl_json(&["status"]).await;
    assert_eq!(status["upstreams"][0]["held"], 20);
    assert_eq!(status["upstreams"][0]["failed"], 0);
}

#[tokio::test]
async fn a_pause_holds_each_request_for_a_bounded_time_and_a_bounded_number() {
    let one = App::start().await;
    let proxy = controlled(&(app(&one.target) + "max_waiting = 1\n"));
    assert_eq!(proxy.ctl(&["pause", "app", "--max", "500ms"]).await.0, 0);
    let late = Visitor::get(proxy.http, "/").await;
    assert_eq!((late.status, late.header("retry-after")), (503, "5"));
    assert!(late.text().contains("being changed"), "{}", late.text());
    assert_eq!(proxy.ctl(&["pause", "app", "--max", "1h"]).await.0, 0);
    let held = tokio::spawn(Visitor::get(proxy.http, "/"));
    until_waiting(&proxy, 1).await;
    assert_eq!(Visitor::get(proxy.http, "/").await.status, 503);
    assert_eq!(proxy.ctl(&["resume", "app"]).await.0, 0);
    assert_eq!(held.await.expect("visitor").status, 200);
}

#[tokio::test]
async fn requests_under_way_are_not_touched_by_a_pause() {
    let one = App::start().await;
    let proxy = controlled(&app(&one.target));
    let running = tokio::spawn(Visitor::get(proxy.http, "/hold"));
    until("it has begun", || one.begun() == 1).await;
    let paused = proxy.ctl_json(&["pause", "app"]).await;
    assert_eq!(paused["in_flight"], 1);
    one.release(1);
    assert_eq!(running.await.expect("visitor").status, 200);
}

#[tokio::test]
async fn a_site_in_maintenance_answers_503_with_the_message_and_lets_a_list_pass() {
    let one = App::start().await;
    let proxy = controlled(&app(&one.target));
    let message = ["maintenance", "on", "*", "--message", "Back <at> 14:00."];
    let (code, out, err) = proxy.ctl(&message).await;
    assert_eq!(code, 0, "{out}{err}");
    let text = Visitor::get(proxy.http, "/").await;
    assert_eq!((text.status, text.header("retry-after")), (503, "60"));
    assert!(text.text().contains("Back <at> 14:00."), "{}", text.text());
    let request = "GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n";
    let page = Visitor::ask(proxy.http, request).await;
    assert_eq!(page.status, 503);
    assert!(
        page.text().contains("Back &lt;at&gt; 14:00."),
        "{}",
        page.text()
    );
    assert_eq!(one.begun(), 0);
    let allow = ["maintenance", "on", "*", "--allow", "127.0.0.0/8"];
    assert_eq!(proxy.ctl(&allow).await.0, 0);
    assert_eq!(Visitor::get(proxy.http, "/").await.status, 200);
    assert_eq!(proxy.ctl(&["maintenance", "off", "*"]).await.0, 0);
    assert_eq!(Visitor::get(proxy.http, "/").await.status, 200);
}

#[tokio::test]
async fn an_upstream_in_maintenance_leaves_the_rest_of_the_site() {
    let one = App::start().await;
    let settings = app(&one.target).replace(
        "[proxy.upstreams.app]",
        "[[proxy.sites.routes]]\npath = '/about'\nrespond = { body = 'we' }\n[proxy.upstreams.app]",
    );
    let proxy = controlled(&settings);
    assert_eq!(proxy.ctl(&["maintenance", "on", "app"]).await.0, 0);
    assert_eq!(Visitor::get(proxy.http, "/").await.status, 503);
    assert_eq!(Visitor::get(proxy.http, "/about").await.text(), "we");
    let (code, _, err) = proxy.ctl(&["pause", "app"]).await;
    assert_eq!(code, 1);
    assert!(err.contains("in maintenance"), "{err}");
    assert_eq!(proxy.ctl(&["maintenance", "off", "app"]).await.0, 0);
    assert_eq!(Visitor::get(proxy.http, "/").await.status, 200);
}

#[tokio::test]
async fn what_does_not_exist_is_named_with_what_does() {
    let proxy = controlled(&app("127.0.0.1:1"));
    for arguments in [
        &["pause", "ap"][..],
        &["maintenance", "on", "example.org"],
        &["drain", "app", "127.0.0.1:2"],
        &["maintenance", "on", "app", "--allow", "nonsense"],
    ] {
        let (code, _, err) = proxy.ctl(arguments).await;
        assert_eq!(code, 64, "{arguments:?}: {err}");
    }
    let (_, _, err) = proxy.ctl(&["pause", "ap"]).await;
    assert!(err.contains("write one of app"), "{err}");
}
