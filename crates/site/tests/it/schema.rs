//! `site migrate` as an operator meets it, and processes on a schema that is not theirs.

use std::process::Output;

use crate::stack::Stack;

fn run(stack: &Stack, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = stack.command(arguments).output().expect("site");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (status.code(), text(&stdout), text(&stderr))
}

#[tokio::test]
async fn no_process_does_work_on_a_schema_older_than_its_build() {
    let stack = Stack::start().await;
    stack
        .execute("DELETE FROM refinery_schema_history WHERE version = 2")
        .await;
    for command in ["serve", "worker"] {
        let (code, _, errors) = run(&stack, &[command, "--set", "migrate.wait_timeout=300ms"]);
        assert_eq!(code, Some(1), "{command}: {errors}");
        let told = "site/V2__demo_run.sql not applied; run `site migrate up`";
        assert!(errors.contains(told), "{command}: {errors}");
    }
}

#[tokio::test]
async fn exit_codes_say_what_an_operator_has_to_do() {
    let stack = Stack::start().await;
    let (code, text, errors) = run(&stack, &["migrate", "up", "--json"]);
    assert_eq!(code, Some(0), "{errors}");
    let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(report["applied"], serde_json::json!([]));
    let (code, text, errors) = run(&stack, &["migrate", "verify"]);
    assert_eq!(
        (code, text.as_str()),
        (Some(0), "the database is what the files say\n"),
        "{errors}"
    );
    stack
        .execute("ALTER TABLE poll ADD COLUMN by_hand int")
        .await;
    let (code, text, _) = run(&stack, &["migrate", "verify"]);
    assert_eq!(code, Some(10), "{text}");
    assert!(
        text.contains("column public.poll.by_hand, which no file makes"),
        "{text}"
    );

    let files = tempfile::tempdir().expect("directory");
    let directory = files.path().to_str().expect("path");
    let (code, text, errors) = run(
        &stack,
        &["migrate", "new", "drop_poll", "--directory", directory],
    );
    assert_eq!(code, Some(0), "{errors}");
    std::fs::write(text.trim(), "DROP TABLE poll;").expect("file");
    let (code, text, errors) = run(&stack, &["migrate", "plan", "--directory", directory]);
    assert_eq!(code, Some(11), "{errors}");
    assert!(text.contains("line 1: REFUSED: drop-table"), "{text}");
    for arguments in [
        &["migrate", "new", "drop poll", "--directory", directory][..],
        &["migrate", "repair", "--accept", "site/V9__nothing.sql"],
        &["migrate", "baseline", "--to", "1"],
        &["migrate", "up", "--phase", "later"],
    ] {
        let (code, _, errors) = run(&stack, arguments);
        assert_eq!(code, Some(64), "{arguments:?}: {errors}");
    }
}
