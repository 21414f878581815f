//! What other sites and strangers must not be able to do.

use crate::stack::Stack;

#[tokio::test]
async fn a_form_without_this_sessions_token_is_refused() {
    let stack = Stack::start().await;
    let poll = stack.author("ada").await.create("Q?", "a\nb", "").await;
    let mut visitor = stack.visitor();
    let choice = visitor.get(&poll).await.choices()[0].clone();
    let foreign = stack.visitor().get(&poll).await.csrf_token();
    let vote = format!("{poll}/vote");
    for token in ["", "nonsense", &foreign] {
        let fields = [("choice", choice.as_str()), ("csrf_token", token)];
        assert_eq!(visitor.post(&vote, &fields).await.status, 403, "{token}");
    }
    let bare = [("choice", choice.as_str())];
    assert_eq!(visitor.post(&vote, &bare).await.status, 403);
    assert_eq!(stack.count("SELECT count(*) FROM vote").await, 0);
}

#[tokio::test]
async fn every_form_carries_a_token() {
    let stack = Stack::start().await;
    let mut ada = stack.author("ada").await;
    let poll = ada.create("Q?", "a\nb", "").await;
    let edit = format!("{poll}/edit");
    for path in ["/", "/sign-in", "/sign-up", "/polls/new", &poll, &edit] {
        let page = ada.get(path).await;
        let forms = page.text.matches("<form").count();
        let tokens = page.text.matches("name=\"csrf_token\"").count();
        assert!(
            forms > 0 && forms == tokens,
            "{path}: {forms} forms, {tokens} tokens"
        );
    }
}

#[tokio::test]
async fn pages_have_no_inline_script_or_style() {
    let stack = Stack::start().await;
    let mut ada = stack.author("ada").await;
    let poll = ada.create("Q?", "a\nb", "").await;
    for path in ["/", "/sign-up", "/polls/new", &poll, "/mail", "/nowhere"] {
        let page = ada.get(path).await;
        for inline in [" style=\"", "<style", " onclick", "javascript:"] {
            assert!(!page.text.contains(inline), "{path} has {inline}");
        }
        let scripts = page.text.matches("<script").count();
        let files = page.text.matches("<script src=\"/static/").count();
        assert_eq!(scripts, files, "{path}");
    }
}
