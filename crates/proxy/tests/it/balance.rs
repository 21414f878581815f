//! Which target a request goes to, and how many wait.

use crate::harness::proxy::app;
use crate::harness::{App, Proxy, Visitor, until};

/// One upstream `app` with these targets and lines.
fn upstream(targets: &str, lines: &str) -> String {
    app("X").replace("targets = 'X'", &format!("targets = [{targets}]\n{lines}"))
}

fn quoted(apps: &[&App]) -> String {
    let all: Vec<String> = apps.iter().map(|one| format!("'{}'", one.target)).collect();
    all.join(", ")
}

#[tokio::test]
async fn the_target_with_fewer_requests_gets_the_next_one() {
    let (one, two) = (App::start().await, App::start().await);
    let proxy = Proxy::start(&upstream(&quoted(&[&one, &two]), ""));
    let mut held = Vec::new();
    for count in 1..=6 {
        held.push(tokio::spawn(Visitor::get(proxy.http, "/hold")));
        until("it has begun", || one.begun() + two.begun() == count).await;
    }
    assert_eq!((one.begun(), two.begun()), (3, 3));
    // All of one end: the next three are its.
    one.release(3);
    until("they have ended", || {
        held.iter().filter(|task| task.is_finished()).count() == 3
    })
    .await;
    for count in 7..=9 {
        held.push(tokio::spawn(Visitor::get(proxy.http, "/hold")));
        until("it has begun", || one.begun() + two.begun() == count).await;
    }
    assert_eq!((one.begun(), two.begun()), (6, 3));
    one.release(3);
    two.release(3);
    for task in held {
        assert_eq!(task.await.expect("visitor").status, 200);
    }
}

#[tokio::test]
async fn weights_say_how_much_each_gets() {
    let (one, two) = (App::start().await, App::start().await);
    let targets = format!(
        "{{ target = '{}', weight = 3 }}, '{}'",
        one.target, two.target
    );
    let proxy = Proxy::start(&upstream(&targets, "balance = 'round-robin'"));
    for _ in 0..20 {
        assert_eq!(Visitor::get(proxy.http, "/").await.status, 200);
    }
    assert_eq!((one.begun(), two.begun()), (15, 5));
}

#[tokio::test]
async fn a_backup_serves_only_while_no_other_is_there() {
    let (one, two) = (App::start().await, App::start().await);
    let backup = |main: &str| {
        let targets = format!("'{main}', {{ target = '{}', backup = true }}", two.target);
        upstream(&targets, "")
    };
    let proxy = Proxy::start(&backup(&one.target));
    for _ in 0..5 {
        assert_eq!(Visitor::get(proxy.http, "/").await.status, 200);
    }
    assert_eq!((one.begun(), two.begun()), (5, 0));
    let proxy = Proxy::start(&backup("unix:/nowhere/at/all.sock"));
    for _ in 0..5 {
        assert_eq!(Visitor::get(proxy.http, "/").await.status, 200);
    }
    assert_eq!(two.begun(), 5);
}

#[tokio::test]
async fn a_cookie_leads_back_to_the_same_target_and_names_no_address() {
    let (one, two) = (App::start().await, App::start().await);
    let settings = upstream(&quoted(&[&one, &two]), "sticky = { cookie = 'to' }");
    let proxy = Proxy::start(&settings);
    let first = Visitor::get(proxy.http, "/").await;
    let cookie = first.header("set-cookie").to_owned();
    assert!(
        cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"),
        "{cookie}"
    );
    assert!(!cookie.contains("127.0.0.1"), "{cookie}");
    let pair = cookie.split(';').next().expect("a pair");
    for _ in 0..6 {
        let again = format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: x=y; {pair}\r\n\r\n");
        let answer = Visitor::ask(proxy.http, &again).await;
        assert!(answer.status == 200 && !answer.has("set-cookie"));
    }
    let (most, least) = (one.begun().max(two.begun()), one.begun().min(two.begun()));
    assert_eq!((most, least), (7, 0));
    // One that leads nowhere is replaced.
    let forged = "GET / HTTP/1.1\r\nHost: a\r\nCookie: to=0123456789\r\n\r\n";
    assert!(Visitor::ask(proxy.http, forged).await.has("set-cookie"));
}

#[tokio::test]
async fn a_target_at_its_limit_makes_others_wait_and_too_long_is_503_that_says_when() {
    let one = App::start().await;
    let targets = format!("{{ target = '{}', max_connections = 1 }}", one.target);
    let settings = upstream(&targets, "max_waiting = 5\nwait_timeout = '300ms'");
    let proxy = Proxy::start(&settings);
    let held = tokio::spawn(Visitor::get(proxy.http, "/hold"));
    until("it has begun", || one.begun() == 1).await;
    let late = Visitor::get(proxy.http, "/").await;
    assert_eq!((late.status, late.header("retry-after")), (503, "2"));
    assert!(late.text().contains("too much to do"), "{}", late.text());
    assert_eq!(one.begun(), 1, "the limit was not kept");
    one.release(1);
    assert_eq!(held.await.expect("visitor").status, 200);
    // Those who wait get their turn as soon as there is one.
    let settings = upstream(&targets, "wait_timeout = '20s'");
    let proxy = Proxy::start(&settings);
    let mut waiting: Vec<_> = (0..5)
        .map(|_| tokio::spawn(Visitor::get(proxy.http, "/hold")))
        .collect();
    for count in 2..=6 {
        until("one has its turn", || one.begun() == count).await;
        one.release(1);
    }
    for task in waiting.drain(..) {
        assert_eq!(task.await.expect("visitor").status, 200);
    }
}

#[tokio::test]
async fn a_breaker_opens_at_too_many_failures_and_closes_when_it_is_better() {
    let one = App::start().await;
    let breaker = "breaker = { errors = 50, requests = 4, open = '1s', trials = 1 }";
    let proxy = Proxy::start(&upstream(&quoted(&[&one]), breaker));
    one.answer_with(500);
    for _ in 0..4 {
        assert_eq!(Visitor::get(proxy.http, "/").await.status, 500);
    }
    let refused = Visitor::get(proxy.http, "/").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
    assert!(refused.text().contains("not working"), "{}", refused.text());
    assert_eq!(one.begun(), 4);
    one.answer_with(0);
    loop {
        let answer = Visitor::get(proxy.http, "/").await;
        if answer.status == 200 {
            break;
        }
        assert_eq!(answer.status, 503);
        tokio::task::yield_now().await;
    }
    for _ in 0..5 {
        assert_eq!(Visitor::get(proxy.http, "/").await.status, 200);
    }
}
