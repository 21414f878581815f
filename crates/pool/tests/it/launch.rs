//! What a child is when its program begins: user, limits, directory, variables.

use std::path::Path;

use crate::client::get;
use kiuas_common::testing::skip;

use crate::harness::{Orders, Pool, eventually};

/// A child that writes `script`'s output into a file and stays.
fn told(settings: &str, script: &str) -> (Pool, String) {
    let directory = tempfile::tempdir().expect("directory");
    // Whoever the child is, it may write there.
    std::process::Command::new("chmod")
        .arg("0777")
        .arg(directory.path())
        .status()
        .expect("chmod");
    let file = directory.path().join("told");
    let script = format!(
        "{{ {script}; }} >{0}.new 2>&1; mv {0}.new {0}; exec sleep 1000",
        file.display()
    );
    let command = ["sh".to_owned(), "-c".to_owned(), script];
    let text = format!("[pool.web]\nprocesses = 1\nready_after = '50ms'\n{settings}");
    let pool = Pool::start_with(&text, &[], &command, |_| {});
    pool.wait_until_ready();
    let told = eventually("what the child tells", || {
        std::fs::read_to_string(&file).ok()
    });
    (pool, told)
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn a_child_has_the_name_that_the_settings_give_it() {
    let (_pool, told) = told(
        "process_name = 'shop-web'",
        "tr '\\0' ' ' </proc/$$/cmdline",
    );
    assert!(told.starts_with("shop-web -c "), "{told}");
}

#[test]
fn limits_directory_and_mask_are_taken_on() {
    let (_pool, told) = told(
        "umask = '027'\ndirectory = '/usr'\noom_score_adj = 500\nrlimits = { nofile = 100, core = 0 }",
        "umask; pwd; cat /proc/self/oom_score_adj; ulimit -n; ulimit -c",
    );
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines, ["0027", "/usr", "500", "100", "0"]);
}

#[test]
fn variables_come_from_files_and_settings_and_the_settings_win() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("variables");
    std::fs::write(&path, "A='from the file'\nB=file\n").expect("file");
    let settings = format!(
        "environment_files = ['{}', '-/no/such/file']\nenvironment = {{ B = 'settings' }}\nthreads = 3",
        path.display()
    );
    let (_pool, told) = told(
        &settings,
        "echo \"$A $B $KIUAS__WEB__THREADS $KIUAS_POOL_NAME $KIUAS_POOL_SLOT\"",
    );
    assert_eq!(told.trim(), "from the file settings 3 web 0");
}

#[test]
fn a_missing_environment_file_is_one_clear_error_at_start() {
    let text = "[pool.web]\nenvironment_files = ['/no/such/file']\n";
    let command = ["sleep", "1000"].map(str::to_owned);
    let mut pool = Pool::start_with(text, &[], &command, |_| {});
    assert_eq!(pool.wait_for_end().code(), Some(1));
    pool.wait_for("cannot read the environment file `/no/such/file`", 1);
}

#[test]
fn a_child_of_another_user_has_none_of_the_pools_rights_and_is_heard() {
    if !is_root() {
        return skip("only root may start children of another user");
    }
    let (_pool, told) = told(
        "user = 'nobody'",
        "id -u; id -G | wc -w; cat /proc/self/status | grep CapEff; echo $HOME",
    );
    let lines: Vec<&str> = told.lines().collect();
    assert_ne!(lines[0], "0");
    assert_eq!(lines[1], "1", "no group of root's is left");
    assert!(lines[2].ends_with("0000000000000000"), "{told}");

    // A child that speaks `sd_notify` reaches its mailbox although it is somebody else.
    let orders = Orders::new("serve one");
    open_to_all(&orders.path());
    let program = readable_copy(&orders);
    let command = [program, orders.path().to_str().expect("UTF-8").to_owned()];
    let text = "[pool.web]\nuser = 'nobody'\n";
    let pool = Pool::start_with(text, &["--listen", "127.0.0.1:0"], &command, |_| {});
    pool.wait_until_ready();
    assert_eq!(get(pool.address("web"), "/").expect("answer").status, 200);
}

/// Lets everybody read `path` and reach it.
fn open_to_all(path: &Path) {
    let directory = path.parent().expect("directory");
    let set = std::process::Command::new("chmod")
        .args(["a+rx"])
        .args([directory, path])
        .status();
    assert!(set.expect("chmod").success());
}

/// The test's child where everybody can execute it.
fn readable_copy(orders: &Orders) -> String {
    let copy = orders.path().with_file_name("child");
    std::fs::copy(crate::harness::echo_child(), &copy).expect("copy");
    copy.to_str().expect("UTF-8").to_owned()
}

#[test]
fn a_user_that_is_not_there_is_wrong_settings() {
    let command = ["sleep", "1000"].map(str::to_owned);
    let text = "[pool.web]\nuser = 'no-such-user'\n";
    let mut pool = Pool::start_with(text, &[], &command, |_| {});
    assert_eq!(pool.wait_for_end().code(), Some(64));
    pool.wait_for("`pool.web.user`: there is no user `no-such-user`", 1);
}

#[test]
fn children_live_in_a_control_group_that_goes_with_the_pool() {
    let limits = "cgroup = { memory = '512MiB', pids = 50 }";
    let (mut pool, told) = told(limits, "cat /proc/self/cgroup");
    if !pool
        .lines_with("`pool.web.cgroup` has no effect")
        .is_empty()
    {
        return skip("this system lets nobody make control groups");
    }
    let name = format!("kiuas-web-{}", pool.pid());
    assert!(told.contains(&name), "{told}");
    let line = pool.wait_for("made a control group", 1).remove(0);
    let path = line.split("path=").nth(1).expect("path").trim().to_owned();
    assert!(Path::new(&path).exists(), "{path}");
    pool.signal(rustix::process::Signal::TERM);
    pool.wait_for_end();
    assert!(
        !Path::new(&path).exists(),
        "{path} is left:\n{}",
        pool.output()
    );
}

#[test]
fn a_queue_longer_than_the_kernels_is_warned_of() {
    let orders = Orders::new("serve one");
    let text = "[pool.web]\nbacklog = 65535\n";
    let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").expect("somaxconn");
    if most.trim().parse::<u32>().expect("number") >= 65_535 {
        return skip("the kernel's own bound is as high as it can be");
    }
    let pool = Pool::start_with(
        text,
        &["--listen", "127.0.0.1:0"],
        &orders.command(),
        |_| {},
    );
    pool.wait_for("raise net.core.somaxconn or lower it", 1);
}
