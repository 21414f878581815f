//! The mail catcher.

use crate::stack::Stack;

#[tokio::test]
async fn without_mail_the_page_says_so() {
    let stack = Stack::start().await;
    let page = stack.visitor().get("/mail").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("No mail yet."));
}

#[tokio::test]
async fn a_server_has_no_mail_catcher() {
    let stack = Stack::start_in("staging").await;
    let letter = r#"{"id":"a","from":"","to":"","subject":"secret","text":"","sent_at":"2026-01-01T00:00:00Z"}"#;
    std::fs::create_dir_all(stack.mail_directory()).expect("directory");
    std::fs::write(stack.mail_directory().join("a.json"), letter).expect("letter");
    let mut visitor = stack.visitor();
    for path in ["/mail", "/mail/a"] {
        let page = visitor.get(path).await;
        assert_eq!(page.status, 404, "{path}");
        assert!(!page.text.contains("secret"));
    }
    assert!(!visitor.get("/").await.text.contains("/mail"));
}

#[tokio::test]
async fn an_id_cannot_leave_the_directory() {
    let stack = Stack::start().await;
    std::fs::create_dir_all(stack.mail_directory()).expect("directory");
    let outside = stack.mail_directory().join("../outside.json");
    let letter = r#"{"id":"a","from":"","to":"","subject":"secret","text":"","sent_at":"2026-01-01T00:00:00Z"}"#;
    std::fs::write(outside, letter).expect("letter");
    let page = stack.visitor().get("/mail/..%2Foutside").await;
    assert_eq!(page.status, 404);
}
