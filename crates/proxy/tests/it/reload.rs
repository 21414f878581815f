//! New settings for a running proxy.

use rustix::process::Signal;
use tokio::net::TcpStream;

use crate::harness::load::{Load, echo, sites};
use crate::harness::proxy::app;
use crate::harness::{App, Proxy, Visitor, steady, until};

const CONTROL: &str = "control = 'unix:$DIR/control.sock'\n";

fn respond(text: &str) -> String {
    format!(
        "[[proxy.sites]]\nhosts = '*'\n\
         [[proxy.sites.routes]]\nprefix = '/'\nrespond = {{ body = '{text}' }}\n"
    )
}

#[tokio::test]
async fn a_request_on_an_open_connection_meets_the_new_settings() {
    let proxy = Proxy::start(&format!("{CONTROL}{}", respond("old")));
    let mut visitor = Visitor::connect(proxy.http).await;
    assert_eq!(visitor.get_again("/").await.text(), "old");
    proxy.rewrite(&format!("{CONTROL}{}", respond("new")));
    let (code, out, err) = proxy.ctl(&["reload"]).await;
    assert_eq!(
        (code, out.as_str()),
        (0, "The settings were reloaded.\n"),
        "{err}"
    );
    assert_eq!(visitor.get_again("/").await.text(), "new");
}

#[tokio::test]
async fn sighup_reloads_too() {
    let proxy = Proxy::start(&respond("old"));
    proxy.rewrite(&respond("new"));
    proxy.signal(Signal::HUP);
    until("it is reloaded", || proxy.log().contains("were reloaded")).await;
    assert_eq!(Visitor::get(proxy.http, "/").await.text(), "new");
}

#[tokio::test]
async fn a_request_at_work_ends_by_the_settings_it_began_with() {
    let slow = App::start().await;
    let proxy = Proxy::start(&format!("{CONTROL}{}", app(&slow.target)));
    let answer = tokio::spawn(Visitor::get(proxy.http, "/slow/500"));
    until("it is at work", || slow.begun() == 1).await;
    proxy.rewrite(&format!("{CONTROL}{}", respond("new")));
    assert_eq!(proxy.ctl(&["reload"]).await.0, 0);
    assert_eq!(Visitor::get(proxy.http, "/").await.text(), "new");
    assert_eq!(answer.await.expect("visitor").text(), "ok");
}

#[tokio::test]
async fn wrong_settings_change_nothing_and_every_problem_is_told_as_check_tells_it() {
    let good = format!("{CONTROL}{}", respond("good"));
    let wrong = format!(
        "{CONTROL}{}[proxy.upstreams.app]\ntargets = 'nonsense'\nmax_connections = 0\n",
        respond("bad").replace("prefix = '/'", "path = 'bad'")
    );
    let proxy = Proxy::start(&good);
    proxy.rewrite(&wrong);
    let (code, _, err) = proxy.ctl(&["reload"]).await;
    assert_eq!(code, 1);
    let checked = proxy.check();
    assert_eq!(err, checked);
    let log = proxy.log();
    for part in [
        "proxy.sites[0].routes[0].path",
        "proxy.upstreams.app.targets",
        "proxy.upstreams.app.max_connections",
    ] {
        assert!(err.contains(part) && log.contains(part), "{part}: {err}");
    }
    let (_, json, _) = proxy.ctl(&["reload", "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let problems = json["report"]["problems"].as_array().expect("a list");
    assert_eq!(problems.len(), 3);
    assert_eq!(Visitor::get(proxy.http, "/").await.text(), "good");
}

#[tokio::test]
async fn a_file_that_is_no_toml_changes_nothing() {
    let proxy = Proxy::start(&format!("{CONTROL}{}", respond("good")));
    proxy.rewrite("[proxy]\ncontrol = 'unix:$DIR/control.sock'\nhttp = \n");
    let (code, _, err) = proxy.ctl(&["reload", "--socket", &proxy.socket()]).await;
    assert_eq!(code, 1);
    assert!(err.contains("default.toml"), "{err}");
    assert_eq!(Visitor::get(proxy.http, "/").await.text(), "good");
}

#[tokio::test]
async fn listeners_come_and_go_and_connections_stay() {
    let other = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port");
    let with = |http: &str| {
        format!(
            "[proxy]\nhttp = {http}\nthreads = 2\n{CONTROL}{}",
            respond("here")
        )
    };
    let proxy = Proxy::start(&with("'127.0.0.1:0'"));
    let mut visitor = Visitor::connect(proxy.http).await;
    proxy.rewrite(&with(&format!("['127.0.0.1:0', '{other}']")));
    let report = proxy.ctl_json(&["reload"]).await;
    assert_eq!(report["opened"][0], format!("http {other}"));
    assert_eq!(Visitor::get(other, "/").await.text(), "here");
    proxy.rewrite(&with(&format!("'{other}'")));
    let report = proxy.ctl_json(&["reload"]).await;
    assert_eq!(report["closed"][0], format!("http {}", proxy.http));
    assert_eq!(visitor.get_again("/").await.text(), "here");
    let mut refused = false;
    for _ in 0..200 {
        refused = TcpStream::connect(proxy.http).await.is_err();
        if refused {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(refused, "the closed listener still takes connections");
    assert_eq!(Visitor::get(other, "/").await.text(), "here");
}

#[tokio::test]
async fn an_address_in_use_changes_nothing() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
    let address = taken.local_addr().expect("address");
    let proxy = Proxy::start(&format!("{CONTROL}{}", respond("good")));
    proxy.rewrite(&format!(
        "[proxy]\nhttp = ['127.0.0.1:0', '{address}']\n{CONTROL}{}",
        respond("bad")
    ));
    let (code, _, err) = proxy.ctl(&["reload"]).await;
    assert_eq!(code, 1);
    assert!(err.contains("already uses it"), "{err}");
    assert_eq!(Visitor::get(proxy.http, "/").await.text(), "good");
}

#[tokio::test]
async fn what_cannot_change_is_said_each_time() {
    let proxy = Proxy::start(&format!("{CONTROL}{}", respond("good")));
    proxy.rewrite(&format!(
        "[proxy]\nhttp = '127.0.0.1:0'\nthreads = 3\n{CONTROL}{}",
        respond("good")
    ));
    for _ in 0..2 {
        let (code, out, _) = proxy.ctl(&["reload"]).await;
        assert_eq!(code, 0);
        assert!(out.contains("`proxy.threads` cannot change"), "{out}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_reloads_under_load_fail_nothing_and_close_nothing() {
    let app = App::start_unix().await;
    let echo = echo().await;
    let settings = |round: usize| {
        format!(
            "[proxy]\nhttp = '127.0.0.1:0'\nthreads = 2\n{CONTROL}{}max_idle = {}\n",
            sites(&app.target, &echo),
            round % 3 + 1
        )
    };
    let proxy = Proxy::start(&settings(0));
    let load = Load::start(proxy.http).await;
    let before = load.tally.echoed();
    for round in 1..=50 {
        proxy.rewrite(&settings(round));
        let (code, _, err) = proxy.ctl(&["reload"]).await;
        assert_eq!(code, 0, "{err}");
        load.more(5).await;
    }
    let tally = load.stop().await;
    assert_eq!(
        (tally.lost(), tally.told_to_close(), tally.broken()),
        (0, 0, 0),
        "{tally:?}"
    );
    assert!(tally.echoed() > before + 50, "{tally:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_requests_a_second_lose_none_to_a_reload() {
    let app = App::start_unix().await;
    let settings = |round: usize| {
        format!(
            "[proxy]\nhttp = '127.0.0.1:0'\nthreads = 2\n{CONTROL}[[proxy.sites]]\nhosts = '*'\n\
             [[proxy.sites.routes]]\nprefix = '/'\nupstream = 'app'\n\
             [proxy.upstreams.app]\ntargets = '{}'\nmax_idle = {}\n",
            app.target,
            round % 3 + 8
        )
    };
    let proxy = Proxy::start(&settings(0));
    let (before, ()) = steady::visit(proxy.http, steady::calm()).await;
    let reloads = async {
        for round in 1..=30 {
            proxy.rewrite(&settings(round));
            let (code, _, err) = proxy.ctl(&["reload"]).await;
            assert_eq!(code, 0, "{err}");
            steady::between().await;
        }
    };
    let (during, ()) = steady::visit(proxy.http, reloads).await;
    steady::report("30 reloads", &before, &during);
    assert!(during.answered() > 50, "too few requests to tell");
    assert_eq!((before.failed, during.failed), (vec![], vec![]));
}
