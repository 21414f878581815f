//! The command line, the admin listener and what the pool tells its own supervisor.

use std::os::unix::net::UnixDatagram;
use std::process::{Command, Output};

use crate::client::get;
use crate::harness::{Orders, PATIENCE, Pool};

fn pool(arguments: &[&str]) -> Output {
    let settings = tempfile::tempdir().expect("directory");
    Command::new(env!("CARGO_BIN_EXE_kiuas-pool"))
        .args(arguments)
        .env("KIUAS_CONFIG", settings.path())
        .output()
        .expect("kiuas-pool")
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_missing_program_is_one_clear_error_at_start() {
    let output = pool(&["run", "--", "/no/such/program"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        errors(&output).contains("error: cannot run `/no/such/program`: there is no such program"),
        "{}",
        errors(&output)
    );
}

#[test]
fn a_file_that_may_not_be_executed_is_one_clear_error_at_start() {
    let file = tempfile::NamedTempFile::new().expect("file");
    let output = pool(&["run", "--", file.path().to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        errors(&output).contains("it may not be executed"),
        "{}",
        errors(&output)
    );
}

#[test]
fn a_pool_without_a_command_is_wrong_usage() {
    let output = pool(&["run", "--name", "nothing"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(
        errors(&output).contains("error: pool `nothing` has no command"),
        "{}",
        errors(&output)
    );
}

#[test]
fn a_wrong_setting_is_named_with_its_value_its_file_and_its_line() {
    let settings = tempfile::tempdir().expect("directory");
    let text = "[pool.web]\ncommand = ['true']\nprocesses = 0\n";
    std::fs::write(settings.path().join("default.toml"), text).expect("settings");
    let output = Command::new(env!("CARGO_BIN_EXE_kiuas-pool"))
        .args(["check", "--all"])
        .env("KIUAS_CONFIG", settings.path())
        .output()
        .expect("kiuas-pool");
    assert_eq!(output.status.code(), Some(64));
    let said = errors(&output);
    assert!(said.contains("`pool.web.processes` = `0` in "), "{said}");
    assert!(said.contains("default.toml:3: must be 1 to "), "{said}");
}

#[test]
fn unknown_arguments_and_unknown_settings_are_wrong_usage() {
    assert_eq!(pool(&["run", "--proceses", "2"]).status.code(), Some(64));
    let output = pool(&["run", "--set", "pool.web.proceses=2", "--", "true"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(
        errors(&output).contains("Did you mean `processes`?"),
        "{}",
        errors(&output)
    );
}

#[test]
fn a_child_that_calls_its_settings_wrong_ends_the_pool() {
    let orders = Orders::new("exit 64");
    let mut pool = Pool::start(&[], &orders.command());
    assert_eq!(pool.wait_for_end().code(), Some(64));
    pool.wait_for("says that its settings are wrong", 1);
}

#[test]
fn the_admin_listener_tells_readiness_and_numbers() {
    let orders = Orders::new("serve one");
    let running = Pool::start(&["--admin", "127.0.0.1:0"], &orders.command());
    let admin = running.address("admin");
    running.wait_until_ready();

    assert_eq!(get(admin, "/healthz").expect("answer").status, 200);
    assert_eq!(get(admin, "/readyz").expect("answer").status, 200);
    let metrics = get(admin, "/metrics").expect("answer").body;
    assert!(
        metrics.contains("kiuas_pool_children{state=\"ready\"} 2"),
        "{metrics}"
    );
    assert!(metrics.contains("kiuas_pool_starts_total 2"), "{metrics}");
    let healthy = pool(&["health", "--admin", &admin.to_string()]);
    assert_eq!(healthy.status.code(), Some(0), "{}", errors(&healthy));
}

#[test]
fn a_pool_without_ready_children_is_not_healthy() {
    let orders = Orders::new("hang");
    let running = Pool::start(&["--admin", "127.0.0.1:0"], &orders.command());
    let admin = running.address("admin").to_string();
    let output = pool(&["health", "--admin", &admin]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        errors(&output).contains("answered 503: children: none is ready"),
        "{}",
        errors(&output)
    );
}

#[test]
fn health_of_nobody_is_an_error() {
    let output = pool(&["health", "--admin", "unix:/no/such/socket"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        errors(&output).starts_with("error: cannot ask unix:/no/such/socket"),
        "{}",
        errors(&output)
    );
}

#[test]
fn the_pool_tells_its_own_supervisor_when_every_child_is_ready() {
    let orders = Orders::new("serve one");
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("timeout");

    let pool = Pool::start_prepared(&[], &orders.command(), |command| {
        command.env("NOTIFY_SOCKET", &path);
    });

    let mut buffer = [0; 64];
    let length = socket.recv(&mut buffer).expect("message");
    assert_eq!(&buffer[..length], b"READY=1");
    assert_eq!(pool.children().len(), 2);
}
