use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;

use super::*;
use crate::interrupt::Interrupt;

const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/bash
toor:x:0:0::/root:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
postgres:x:105:109:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash
broken line
";

#[test]
fn an_account_is_found_by_its_exact_name_and_is_never_root() {
    let account = Account::parse(PASSWD, "postgres").unwrap();
    assert_eq!(
        account.setpriv(),
        ["--reuid=105", "--regid=109", "--clear-groups"]
    );
    assert_eq!(Account::parse(PASSWD, "postgre"), None);
    assert_eq!(Account::parse(PASSWD, "toor"), None);
    assert_eq!(Account::parse("", "postgres"), None);
}

#[test]
fn versions_are_ordered_as_numbers_and_incomplete_ones_left_out() {
    let top = tempfile::tempdir().unwrap();
    for version in ["9.6", "15", "17", "16"] {
        let bin = top.path().join(version).join("bin");
        fs::create_dir_all(&bin).unwrap();
        for program in ["postgres", "initdb", "psql", "pg_isready"] {
            // Version 17 has been removed but for its directory.
            if version != "17" {
                let path = bin.join(program);
                fs::write(&path, "").unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
    }
    let names: Vec<_> = binaries::versions(top.path())
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["9.6", "15", "16"]);
}

#[test]
fn a_stale_pid_file_is_removed_and_its_process_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("postmaster.pid");
    // This very process stands for one that inherited the number; a signal would end the test.
    fs::write(&file, format!("{}\n/some/where\n", std::process::id())).unwrap();
    orphan::clear(
        &file,
        "a mark that no command line has",
        Signal::KILL,
        &Interrupt::default(),
    )
    .unwrap();
    assert!(!file.exists());
    orphan::clear(&file, "", Signal::KILL, &Interrupt::default()).unwrap();
}

#[test]
fn a_left_over_server_is_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let mark = directory.path().join("data").display().to_string();
    let mut server = Command::new("sh")
        .args(["-c", "while :; do sleep 0.05; done", &mark])
        .spawn()
        .unwrap();
    let file = directory.path().join("redis.pid");
    fs::write(&file, server.id().to_string()).unwrap();
    // For a moment after exec the command line is still empty.
    let line = format!("/proc/{}/cmdline", server.id());
    Interrupt::default()
        .wait("the server", std::time::Duration::from_secs(10), || {
            Ok(fs::read_to_string(&line)?.contains(&mark))
        })
        .unwrap();
    let reaper = std::thread::spawn(move || server.wait().unwrap());
    orphan::clear(&file, &mark, Signal::TERM, &Interrupt::default()).unwrap();
    assert!(!reaper.join().unwrap().success());
}
