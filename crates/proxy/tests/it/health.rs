//! How the proxy knows which targets are well.

use crate::harness::proxy::app;
use crate::harness::{App, PATIENCE, Proxy, Visitor, until};

fn two(one: &App, two: &str, lines: &str) -> String {
    app("X").replace(
        "targets = 'X'",
        &format!(
            "targets = ['{}', '{two}']\nbalance = 'round-robin'\n{lines}",
            one.target
        ),
    )
}

const ASK: &str = "health = { interval = '50ms', passes = 2, fails = 2 }";

/// Waits until the target at `index` is in `state`.
async fn until_state(proxy: &Proxy, index: usize, state: &str) {
    let look = async {
        loop {
            let status = proxy.ctl_json(&["status"]).await;
            if status["upstreams"][0]["targets"][index]["state"] == state {
                return;
            }
        }
    };
    let late = || panic!("it is never {state}: {}", proxy.log());
    tokio::time::timeout(PATIENCE, look)
        .await
        .unwrap_or_else(|_| late());
}

fn controlled(settings: &str) -> Proxy {
    Proxy::start(&format!("control = 'unix:$DIR/control.sock'\n{settings}"))
}

#[tokio::test]
async fn a_target_that_says_it_is_ill_gets_nothing_until_it_is_well_again() {
    let (one, other) = (App::start().await, App::start().await);
    let proxy = controlled(&two(&one, &other.target, ASK));
    until_state(&proxy, 1, "up").await;
    other.be_well(false);
    until_state(&proxy, 1, "down").await;
    let before = other.begun();
    for _ in 0..6 {
        assert_eq!(Visitor::get(proxy.http, "/").await.status, 200);
    }
    assert_eq!(other.begun(), before);
    other.be_well(true);
    until_state(&proxy, 1, "up").await;
    for _ in 0..6 {
        assert_eq!(Visitor::get(proxy.http, "/").await.status, 200);
    }
    assert_eq!(other.begun(), before + 3);
    assert!(proxy.log().contains("is down: 503"), "{}", proxy.log());
}

#[tokio::test]
async fn all_ill_is_503_that_says_so_and_one_well_again_serves() {
    let one = App::start().await;
    one.be_well(false);
    let settings = app(&one.target) + ASK + "\n";
    let proxy = controlled(&settings);
    until_state(&proxy, 0, "down").await;
    let refused = Visitor::get(proxy.http, "/").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "5"));
    assert!(refused.text().contains("not working"), "{}", refused.text());
    assert_eq!(one.begun(), 0);
    one.be_well(true);
    until_state(&proxy, 0, "up").await;
    assert_eq!(Visitor::get(proxy.http, "/").await.status, 200);
}

#[tokio::test]
async fn targets_are_asked_by_one_thread_for_all() {
    let one = App::start().await;
    let settings = app(&one.target) + "health = { interval = '1h' }\n";
    let head = "[telemetry]\nformat = 'json'\n";
    let proxy = Proxy::start(&format!(
        "[proxy]\nhttp = '127.0.0.1:0'\nthreads = 4\ncontrol = 'unix:$DIR/control.sock'\n{settings}{head}"
    ));
    until_state(&proxy, 0, "up").await;
    assert_eq!(one.asked(), 1);
}

#[tokio::test]
async fn a_target_whose_requests_fail_is_left_alone_for_a_while() {
    let one = App::start().await;
    let lines = "passive = { max_fails = 2, fail_timeout = '1h' }";
    let proxy = controlled(&two(&one, "unix:/nowhere/at/all.sock", lines));
    for _ in 0..8 {
        assert_eq!(Visitor::get(proxy.http, "/").await.status, 200);
    }
    until_state(&proxy, 1, "failing").await;
    let status = proxy.ctl_json(&["status"]).await;
    let target = &status["upstreams"][0]["targets"][1];
    assert_eq!(
        (&target["requests"], &target["failures"]),
        (&2.into(), &2.into())
    );
    assert_eq!(one.begun(), 8);
}

#[tokio::test]
async fn when_all_are_marked_one_is_tried_all_the_same() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("app.sock");
    let lines = "passive = { max_fails = 1, fail_timeout = '1h' }\n";
    let proxy = controlled(&(app(&format!("unix:{}", path.display())) + lines));
    assert_eq!(Visitor::get(proxy.http, "/").await.status, 502);
    until_state(&proxy, 0, "failing").await;
    let listener = tokio::net::UnixListener::bind(&path).expect("socket");
    let app = App::serve_unix(listener);
    assert_eq!(Visitor::get(proxy.http, "/").await.status, 200);
    until("it has arrived", || app.begun() == 1).await;
    until_state(&proxy, 0, "unknown").await;
}
