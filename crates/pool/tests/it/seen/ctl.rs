//! The command line of `ctl`: its help, and its errors.

use std::process::Command;

fn failing(arguments: &[&str]) -> (Option<i32>, String) {
    let settings = tempfile::tempdir().expect("directory");
    let output = Command::new(env!("CARGO_BIN_EXE_kiuas-pool"))
        .arg("ctl")
        .args(arguments)
        .env("KIUAS_CONFIG", settings.path())
        .env("TMPDIR", settings.path())
        .output()
        .expect("kiuas-pool ctl");
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn without_a_pool_ctl_says_what_to_do() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("control.sock");
    let control = format!("unix:{}", path.display());
    let (code, errors) = failing(&["--control", &control, "status"]);
    assert_eq!(code, Some(1));
    assert!(
        errors.contains("there is no control socket") && errors.contains("`--control`"),
        "{errors}"
    );
    drop(std::os::unix::net::UnixListener::bind(&path).expect("socket"));
    let (code, errors) = failing(&["--control", &control, "status"]);
    assert_eq!(code, Some(1));
    assert!(
        errors.contains("is gone") && errors.contains("start it again"),
        "{errors}"
    );
    let (code, _) = failing(&["--control", "127.0.0.1:1", "status"]);
    assert_eq!(code, Some(64));
    let (code, _) = failing(&["dance"]);
    assert_eq!(code, Some(64));
}

#[test]
fn every_verb_of_ctl_has_an_example() {
    for verb in [
        "status",
        "events",
        "stats",
        "top",
        "dump",
        "roll",
        "upgrade",
        "pause",
        "resume",
        "add",
        "remove",
        "terminate",
        "kill",
        "stop",
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_kiuas-pool"))
            .args(["ctl", verb, "--help"])
            .output()
            .expect("kiuas-pool");
        let help = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            help.contains(&format!("kiuas-pool ctl {verb}")) || help.contains("top"),
            "{help}"
        );
        assert!(help.contains("Example"), "{help}");
    }
}
