//! The development stack in containers, from a clean clone: it builds, comes up, does the same as the
//! stack on this machine, and goes without a trace.

mod daemon;
mod project;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::browser::click_through;
use crate::compose::daemon::Daemon;
use crate::compose::project::Project;
use crate::harness::ground::workspace;
use crate::harness::run::{RunDirectory, say};

#[tokio::test]
async fn containers_do_what_the_stack_does_and_leave_nothing() {
    let run = RunDirectory::create();
    let Some(daemon) = Daemon::find_or_start(&run).await else {
        return;
    };
    succeed(
        daemon
            .client(cargo())
            .current_dir(workspace())
            .args(["run", "--quiet", "--package", "xtask", "--"])
            .args(["images", "stand-in"]),
    );
    let project = Project::new(&daemon, clone(&run));
    // Of an earlier run that was killed.
    project.remove();

    let begin = std::time::Instant::now();
    project.up();
    say(&format!(
        "built and started in {} s",
        begin.elapsed().as_secs()
    ));
    assert_eq!(project.unhealthy(), Vec::<String>::new());
    click_through(&project.base()).await;

    project.remove();
    assert_eq!(project.rest(), Vec::<String>::new());
}

/// A clean clone: what is not committed is not in it.
fn clone(run: &RunDirectory) -> PathBuf {
    let clone = run.join("clone");
    succeed(
        Command::new("git")
            .args(["clone", "--quiet", "--no-hardlinks"])
            .args([workspace().as_path(), Path::new(&clone)]),
    );
    clone
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs `command` to its end, with its output in the test's.
fn succeed(command: &mut Command) {
    let status = command.status().expect("start a command");
    assert!(status.success(), "{command:?} ended with {status}");
}

/// What `command` prints.
fn output(command: &mut Command) -> String {
    let output = command.output().expect("start a command");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
