//! A new process takes the old one's place.

use std::os::unix::net::UnixDatagram;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::harness::load::{Load, echo, sites};
use crate::harness::proxy::app;
use crate::harness::{App, PATIENCE, Proxy, Visitor, steady, until};

const CONTROL: &str = "control = 'unix:$DIR/control.sock'\nadmin = '127.0.0.1:0'\n";

/// The process that answers on the control socket; ended with the test.
pub(crate) struct Successor(i32);

impl Successor {
    pub(crate) fn of(answer: &serde_json::Value) -> Self {
        Self(i32::try_from(answer["pid"].as_i64().expect("a pid")).expect("a pid"))
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.0).expect("a pid")
    }

    fn is_alive(&self) -> bool {
        // A zombie counts as dead: nobody of ours can wait for it.
        test_kill_process(self.pid()).is_ok()
            && std::fs::read_to_string(format!("/proc/{}/stat", self.0))
                .is_ok_and(|stat| !stat.contains(") Z "))
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if self.is_alive() {
            kill_process(self.pid(), Signal::KILL).unwrap_or_default();
        }
    }
}

async fn upgrade(proxy: &Proxy) -> Successor {
    Successor::of(&proxy.ctl_json(&["upgrade"]).await)
}

#[tokio::test]
async fn the_new_process_serves_where_the_old_one_did_and_the_old_one_ends() {
    let app_behind = App::start().await;
    let limits = "[proxy.limits]\ndrain_grace = '100ms'\n";
    let mut proxy = Proxy::start(&format!(
        "{CONTROL}pid_path = '$DIR/pid'\n{limits}{}",
        app(&app_behind.target)
    ));
    let pid_file = proxy.directory().join("pid");
    let pid = || std::fs::read_to_string(&pid_file).expect("a pid file");
    let before = pid();
    let old = proxy.ctl_json(&["status"]).await["pid"].clone();
    assert_eq!(before.trim(), old.to_string());
    let mut idle = Visitor::connect(proxy.http).await;
    assert_eq!(idle.get_again("/").await.status, 200);
    let successor = upgrade(&proxy).await;
    assert!(proxy.ended().await.success(), "{}", proxy.log());
    assert!(idle.ends().await);
    assert_eq!(Visitor::get(proxy.http, "/").await.status, 200);
    let admin = proxy.admin.expect("an admin address");
    assert_eq!(Visitor::get(admin, "/readyz").await.status, 200);
    let status = proxy.ctl_json(&["status"]).await;
    assert_eq!(status["pid"], successor.0);
    assert_eq!(pid().trim(), successor.0.to_string());
}

#[tokio::test]
async fn a_new_process_that_cannot_start_changes_nothing() {
    let app_behind = App::start().await;
    let proxy = Proxy::start(&format!("{CONTROL}{}", app(&app_behind.target)));
    let (code, _, err) = proxy
        .ctl(&["upgrade", "--program", "/nonexistent/kiuas-proxy"])
        .await;
    assert_eq!(code, 1);
    assert!(err.contains("/nonexistent/kiuas-proxy"), "{err}");
    // `check` succeeds, `serve` does not.
    let (code, _, err) = proxy.ctl(&["upgrade", "--program", "/usr/bin/true"]).await;
    assert_eq!(code, 1);
    assert!(err.contains("ended before it was ready"), "{err}");
    let (code, _, err) = proxy.ctl(&["upgrade", "--program", "/usr/bin/false"]).await;
    assert_eq!(code, 1);
    assert!(err.contains("does not accept the settings"), "{err}");
    assert_eq!(Visitor::get(proxy.http, "/").await.status, 200);
}

#[tokio::test]
async fn wrong_settings_keep_the_old_process_and_are_told() {
    let proxy = Proxy::start(&format!("{CONTROL}{}", app("127.0.0.1:1")));
    let socket = proxy.socket();
    proxy.rewrite(&format!("{CONTROL}{}", app("nonsense")));
    let (code, _, err) = proxy.ctl(&["upgrade", "--socket", &socket]).await;
    assert_eq!(code, 1);
    assert!(err.contains("`proxy.upstreams.app.targets`"), "{err}");
    assert_eq!(Visitor::get(proxy.http, "/").await.status, 502);
}

#[tokio::test]
async fn what_fails_at_the_start_is_told_too() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
    let address = taken.local_addr().expect("address");
    let proxy = Proxy::start(&format!("{CONTROL}{}", app("127.0.0.1:1")));
    proxy.rewrite(&format!(
        "[proxy]\nhttp = ['127.0.0.1:0', '{address}']\n{CONTROL}{}",
        app("127.0.0.1:1")
    ));
    let (code, _, err) = proxy.ctl(&["upgrade"]).await;
    assert_eq!(code, 1);
    assert!(err.contains("already uses it"), "{err}");
    assert_eq!(Visitor::get(proxy.http, "/").await.status, 502);
}

#[tokio::test]
async fn sigusr2_upgrades_and_systemd_hears_of_the_new_main_process() {
    let app_behind = App::start().await;
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("notify.sock");
    let supervisor = UnixDatagram::bind(&path).expect("socket");
    supervisor
        .set_read_timeout(Some(PATIENCE))
        .expect("timeout");
    let hear = || {
        let mut message = [0; 256];
        let length = supervisor.recv(&mut message).expect("a message");
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let settings = format!(
        "{CONTROL}[proxy.limits]\ndrain_grace = '50ms'\n{}",
        app(&app_behind.target)
    );
    let mut proxy = Proxy::notifying(&path, &settings);
    assert_eq!(hear(), "READY=1");
    proxy.signal(Signal::USR2);
    // The new process says that it is ready, the old one that the other is the service now.
    let said = [hear(), hear()];
    assert!(said.contains(&"READY=1".to_owned()), "{said:?}");
    let main = said.iter().find_map(|line| line.strip_prefix("MAINPID="));
    assert!(proxy.ended().await.success());
    let status = proxy.ctl_json(&["status"]).await;
    let successor = Successor::of(&status);
    assert_eq!(main, Some(successor.0.to_string().as_str()));
    drop(successor);
    supervisor.set_nonblocking(true).expect("nonblocking");
    assert!(
        supervisor.recv(&mut [0; 64]).is_err(),
        "the old one said STOPPING"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upgrades_in_a_loop_under_load_fail_nothing_and_websockets_live_to_their_deadline() {
    let app = App::start_unix().await;
    let echo = echo().await;
    let limits = "[proxy.limits]\ndrain_grace = '300ms'\ndrain_timeout = '5s'\n\
        tunnel_drain = '15s'\ntunnel_spread = '1s'\n";
    let mut proxy = Proxy::start(&format!(
        "[proxy]\nhttp = '127.0.0.1:0'\nthreads = 2\n{CONTROL}{limits}{}",
        sites(&app.target, &echo)
    ));
    let load = Load::start(proxy.http).await;
    let mut successors = Vec::new();
    for _ in 0..5 {
        successors.push(upgrade(&proxy).await);
        load.more(100).await;
        let older = successors.len() - 1;
        if let Some(older) = older.checked_sub(1) {
            until("the older one has ended", || !successors[older].is_alive()).await;
        }
    }
    let echoed = load.tally.echoed();
    until("WebSockets go on", || load.tally.echoed() > echoed + 10).await;
    assert_eq!(
        (
            load.tally.lost(),
            load.tally.broken(),
            load.tally.restarted()
        ),
        (0, 0, 0)
    );
    // At the first process's deadline its WebSockets are told to come back.
    assert!(proxy.ended().await.success());
    until("all were told", || {
        load.tally.restarted() == load.tally.open()
    })
    .await;
    load.more(50).await;
    let tally = load.stop().await;
    assert_eq!((tally.lost(), tally.broken()), (0, 0), "{tally:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_requests_a_second_lose_none_to_an_upgrade() {
    let app_behind = App::start_unix().await;
    let mut proxy = Proxy::start(&format!(
        "[proxy]\nhttp = '127.0.0.1:0'\nthreads = 2\n{CONTROL}{}",
        app(&app_behind.target)
    ));
    let (before, ()) = steady::visit(proxy.http, steady::calm()).await;
    let http = proxy.http;
    let upgrades = async {
        let mut successors = Vec::new();
        for _ in 0..8 {
            successors.push(upgrade(&proxy).await);
            steady::between().await;
        }
        // The drain is part of it.
        assert!(proxy.ended().await.success());
        successors
    };
    let (during, _successors) = steady::visit(http, upgrades).await;
    steady::report("8 upgrades", &before, &during);
    assert!(during.answered() > 50, "too few requests to tell");
    assert_eq!((before.failed, during.failed), (vec![], vec![]));
}
