//! New targets at run time, under load.

use crate::harness::load::{Load, echo, sites};
use crate::harness::proxy::app;
use crate::harness::{App, PATIENCE, Proxy, Visitor, until};

fn controlled(settings: &str) -> Proxy {
    Proxy::start(&format!(
        "control = 'unix:$DIR/control.sock'\nstate = '$DIR/state.json'\n{settings}"
    ))
}

#[tokio::test]
async fn deployments_under_load_lose_no_request_and_no_websocket() {
    let apps = [
        App::start().await,
        App::start_unix().await,
        App::start().await,
    ];
    let echoes = [echo().await, echo().await];
    let proxy = Proxy::start(&format!(
        "[proxy]\nhttp = '127.0.0.1:0'\nthreads = 4\ncontrol = 'unix:$DIR/control.sock'\n{}\
         [telemetry]\nformat = 'json'\n",
        sites(&apps[0].target, &echoes[0])
    ));
    let load = Load::start(proxy.http).await;
    for round in 1..=4 {
        let new = &apps[round % 3];
        let report = proxy
            .ctl_json(&["deploy", "app", "--target", &new.target])
            .await;
        assert_eq!(report["targets"][0], new.target.as_str());
        for (key, value) in [("failed", 0), ("retried", 0), ("unfinished", 0)] {
            assert_eq!(report[key], value, "{report}");
        }
        let (old, before) = (&apps[(round - 1) % 3], apps[(round - 1) % 3].begun());
        load.more(30).await;
        assert_eq!(old.begun(), before, "the old target still gets requests");
    }
    let (code, _, err) = proxy
        .ctl(&[
            "deploy",
            "echo",
            "--target",
            &echoes[1],
            "--health-path",
            "/",
            "--deploy-timeout",
            "500ms",
        ])
        .await;
    // A WebSocket server refuses a plain request: the old one stays.
    assert_eq!(code, 1, "{err}");
    let tally = load.stop().await;
    assert_eq!((tally.lost(), tally.broken()), (0, 0), "{}", proxy.log());
}

#[tokio::test]
async fn a_target_that_is_not_healthy_leaves_the_old_one_and_its_answer_is_told() {
    let (old, new) = (App::start().await, App::start().await);
    new.be_well(false);
    let proxy = controlled(&app(&old.target));
    let deploy = [
        "deploy",
        "app",
        "--target",
        &new.target,
        "--deploy-timeout",
        "1s",
    ];
    let (code, out, err) = proxy.ctl(&deploy).await;
    assert_eq!((code, out.as_str()), (1, ""));
    for part in [&new.target, "answered 503", "health", &old.target] {
        assert!(err.contains(part), "{part} is not in {err}");
    }
    assert!(new.asked() > 1);
    assert_eq!(Visitor::get(proxy.http, "/").await.status, 200);
    assert_eq!((old.begun(), new.begun()), (1, 0));
    let (code, out, _) = proxy.ctl(&[&deploy[..], &["--json"]].concat()).await;
    assert_eq!(code, 1);
    let answer: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(answer["report"][0]["answer"]["status"], 503);
    let nobody = [
        "deploy",
        "app",
        "--target",
        "127.0.0.1:1",
        "--deploy-timeout",
        "300ms",
    ];
    let (code, _, err) = proxy.ctl(&nobody).await;
    assert!(code == 1 && err.contains("onnection refused"), "{err}");
}

#[tokio::test]
async fn the_old_target_finishes_what_it_has_and_the_report_waits_for_it() {
    let (old, new) = (App::start().await, App::start().await);
    let proxy = controlled(&app(&old.target));
    let running = tokio::spawn(Visitor::get(proxy.http, "/hold"));
    until("it has begun", || old.begun() == 1).await;
    let socket = proxy.socket();
    let deploy = [
        "deploy",
        "app",
        "--target",
        &new.target,
        "--socket",
        &socket,
    ];
    let deploy = proxy.ctl(&deploy);
    let meanwhile = async {
        let look = async {
            while Visitor::get(proxy.http, "/").await.status != 200 || new.begun() == 0 {}
        };
        tokio::time::timeout(PATIENCE, look)
            .await
            .expect("a switch");
        assert!(!running.is_finished());
        old.release(1);
    };
    let ((code, out, _), ()) = tokio::join!(deploy, meanwhile);
    assert_eq!(code, 0);
    assert!(out.contains("0 requests failed"), "{out}");
    assert_eq!(running.await.expect("visitor").status, 200);
}

#[tokio::test]
async fn requests_are_held_for_the_new_target_while_the_old_one_is_gone() {
    held_while_gone("passive = { max_fails = 1 }\n").await;
}

#[tokio::test]
async fn requests_that_find_the_old_target_gone_are_held_too() {
    held_while_gone("passive = { max_fails = 0 }\n").await;
}

async fn held_while_gone(passive: &str) {
    let new = App::start().await;
    new.be_well(false);
    let proxy = controlled(&(app("127.0.0.1:1") + passive));
    assert_eq!(Visitor::get(proxy.http, "/").await.status, 502);
    let deploy = ["deploy", "app", "--target", &new.target, "--hold", "20s"];
    let deploy = proxy.ctl(&deploy);
    let visitors = async {
        until("it is asked", || new.asked() > 0).await;
        let held: Vec<_> = (0..5)
            .map(|_| tokio::spawn(Visitor::get(proxy.http, "/")))
            .collect();
        let waiting =
            async { while proxy.ctl_json(&["status"]).await["upstreams"][0]["waiting"] != 5 {} };
        tokio::time::timeout(PATIENCE, waiting).await.expect("held");
        new.be_well(true);
        for task in held {
            assert_eq!(task.await.expect("visitor").status, 200);
        }
    };
    let ((code, out, err), ()) = tokio::join!(deploy, visitors);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("5 were held"), "{out}");
}

#[tokio::test]
async fn one_deployment_at_a_time() {
    let (old, new) = (App::start().await, App::start().await);
    new.be_well(false);
    let proxy = controlled(&app(&old.target));
    let deploy = ["deploy", "app", "--target", &new.target];
    let first = proxy.ctl(&deploy);
    let second = async {
        until("the first has begun", || new.asked() > 0).await;
        let (code, _, err) = proxy.ctl(&["deploy", "app", "--target", &new.target]).await;
        assert!(code == 1 && err.contains("already"), "{err}");
        new.be_well(true);
    };
    let ((code, _, err), ()) = tokio::join!(first, second);
    assert_eq!(code, 0, "{err}");
}

#[tokio::test]
async fn a_deployment_that_is_broken_off_changes_nothing() {
    let (old, new) = (App::start().await, App::start().await);
    new.be_well(false);
    let proxy = controlled(&app(&old.target));
    {
        let deploy = ["deploy", "app", "--target", &new.target];
        let deploy = proxy.ctl(&deploy);
        tokio::select! {
            _ = deploy => panic!("it ended"),
            () = until("it has begun", || new.asked() > 0) => {}
        }
    }
    new.be_well(true);
    let retry = async {
        while proxy
            .ctl(&["deploy", "app", "--target", &new.target])
            .await
            .0
            != 0
        {}
    };
    tokio::time::timeout(PATIENCE, retry)
        .await
        .expect("it is free again");
}

#[tokio::test]
async fn what_was_changed_by_hand_survives_a_kill_and_a_reload_until_it_is_reset() {
    let (old, new) = (App::start().await, App::start().await);
    let mut proxy = controlled(&app(&old.target));
    assert_eq!(
        proxy
            .ctl(&["deploy", "app", "--target", &new.target])
            .await
            .0,
        0
    );
    assert_eq!(proxy.ctl(&["maintenance", "on", "*"]).await.0, 0);
    proxy.kill_and_restart();
    assert_eq!(Visitor::get(proxy.http, "/").await.status, 503);
    assert_eq!(proxy.ctl(&["maintenance", "off", "*"]).await.0, 0);
    assert_eq!(Visitor::get(proxy.http, "/").await.status, 200);
    assert_eq!(proxy.ctl(&["reload"]).await.0, 0);
    assert_eq!(Visitor::get(proxy.http, "/").await.status, 200);
    assert_eq!((old.begun(), new.begun()), (0, 2));
    assert_eq!(proxy.ctl(&["reset", "app"]).await.0, 0);
    assert_eq!(Visitor::get(proxy.http, "/").await.status, 200);
    proxy.kill_and_restart();
    assert_eq!(Visitor::get(proxy.http, "/").await.status, 200);
    assert_eq!((old.begun(), new.begun()), (2, 2));
}

#[tokio::test]
async fn a_damaged_state_file_is_named_and_not_overwritten() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("state.json");
    std::fs::write(&path, "{\"version\":1,\"upstr").expect("file");
    let settings = format!("state = '{}'\n{}", path.display(), app("127.0.0.1:1"));
    let output = crate::harness::proxy::output(&settings, &["serve"]);
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(err.contains("state.json is damaged"), "{err}");
    assert!(std::fs::read_to_string(&path).is_ok_and(|text| text.ends_with("upstr")));
}

#[tokio::test]
async fn targets_come_and_go_one_by_one() {
    let (one, two) = (App::start().await, App::start().await);
    let proxy = controlled(&app(&one.target));
    let (code, _, err) = proxy.ctl(&["remove", "app", &one.target]).await;
    assert!(code == 1 && err.contains("the last target"), "{err}");
    let added = proxy
        .ctl_json(&["add", "app", &two.target, "--weight", "2"])
        .await;
    assert_eq!(added["targets"].as_array().map(Vec::len), Some(2));
    assert_eq!(proxy.ctl(&["add", "app", &two.target]).await.0, 1);
    for _ in 0..6 {
        assert_eq!(Visitor::get(proxy.http, "/").await.status, 200);
    }
    assert_eq!((one.begun(), two.begun()), (2, 4));
    assert_eq!(proxy.ctl(&["drain", "app", &two.target]).await.0, 0);
    assert_eq!(Visitor::get(proxy.http, "/").await.status, 200);
    assert_eq!((one.begun(), two.begun()), (3, 4));
    assert_eq!(
        proxy.ctl(&["drain", "app", &two.target, "--undo"]).await.0,
        0
    );
    let removed = proxy.ctl_json(&["remove", "app", &one.target]).await;
    assert_eq!(removed["targets"][0], two.target.as_str());
    assert_eq!(Visitor::get(proxy.http, "/").await.status, 200);
    assert_eq!((one.begun(), two.begun()), (3, 5));
}

#[tokio::test]
async fn an_upstream_may_begin_without_a_target() {
    let one = App::start().await;
    let proxy = controlled(&app("X").replace("targets = 'X'", "targets = []"));
    let none = Visitor::get(proxy.http, "/").await;
    assert_eq!((none.status, none.header("retry-after")), (503, "5"));
    let (code, _, err) = proxy.ctl(&["deploy", "app", "--target", &one.target]).await;
    assert_eq!(code, 0, "{err}");
    assert_eq!(Visitor::get(proxy.http, "/").await.status, 200);
}

#[tokio::test]
async fn metrics_tell_of_targets_and_forget_those_that_are_gone() {
    let (old, new) = (App::start().await, App::start().await);
    let proxy = controlled(&format!("admin = '127.0.0.1:0'\n{}", app(&old.target)));
    assert_eq!(Visitor::get(proxy.http, "/").await.status, 200);
    let admin = proxy.admin.expect("admin");
    let old_label = format!("{{upstream=\"app\",target=\"{}\"}}", old.target);
    let metrics = Visitor::get(admin, "/metrics").await.text();
    for line in [
        format!("kiuas_proxy_target_requests_total{old_label} 1"),
        format!("kiuas_proxy_target_up{old_label} 1"),
        format!("kiuas_proxy_target_requests_in_flight{old_label} 0"),
        "kiuas_proxy_upstream_requests_waiting{upstream=\"app\"} 0".to_owned(),
        "kiuas_proxy_upstream_breaker{upstream=\"app\"} 0".to_owned(),
    ] {
        assert!(metrics.contains(&line), "{line} is not in {metrics}");
    }
    assert_eq!(
        proxy
            .ctl(&["deploy", "app", "--target", &new.target])
            .await
            .0,
        0
    );
    let metrics = Visitor::get(admin, "/metrics").await.text();
    assert!(metrics.contains("kiuas_proxy_upstream_deployments_total{upstream=\"app\"} 1"));
    assert!(!metrics.contains(&old.target), "{metrics}");
    assert!(metrics.trim_end().ends_with("# EOF"));
}

#[tokio::test]
async fn websockets_of_the_old_target_stay_for_their_time_and_then_get_1012() {
    let new = App::start().await;
    let app_target = App::start().await;
    let proxy = controlled(&sites(&app_target.target, &echo().await));
    let load = Load::start(proxy.http).await;
    let open = load.tally.open();
    let deploy = [
        "deploy",
        "echo",
        "--target",
        &new.target,
        "--websocket-timeout",
        "1s",
    ];
    let report = proxy.ctl_json(&deploy).await;
    assert_eq!(report["websockets"], open, "{report}");
    let echoed = load.tally.echoed();
    until("messages still pass", || load.tally.echoed() > echoed).await;
    until("all were told to leave", || load.tally.restarted() == open).await;
    let tally = load.stop().await;
    assert_eq!((tally.lost(), tally.broken()), (0, 0));
}
