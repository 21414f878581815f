//! Signing up, in and out.

use crate::stack::Stack;

#[tokio::test]
async fn an_author_signs_up_out_and_in_again() {
    let stack = Stack::start().await;
    let mut ada = stack.author("ada").await;
    let home = ada.get("/").await;
    assert!(home.text.contains("Sign out"), "{}", home.text);

    let page = ada.submit("/", "/sign-out", &[]).await;
    assert_eq!(page.status, 303);
    assert!(!ada.get("/").await.text.contains("Sign out"));

    let fields = [
        ("email", " ADA@example.org "),
        ("password", "correct horse"),
    ];
    let page = ada.submit("/sign-in", "/sign-in", &fields).await;
    assert_eq!((page.status, page.location()), (303, "/"));
    assert!(ada.get("/").await.text.contains("Sign out"));
}

#[tokio::test]
async fn the_session_gets_a_new_key_at_sign_in() {
    let stack = Stack::start().await;
    stack.author("ada").await;
    let mut visitor = stack.visitor();
    visitor.get("/sign-in").await;
    let before = visitor.clone();
    let fields = [("email", "ada@example.org"), ("password", "correct horse")];
    visitor.submit("/sign-in", "/sign-in", &fields).await;
    assert_ne!(before.cookie, visitor.cookie);
    let mut planted = before;
    assert!(!planted.get("/").await.text.contains("Sign out"));
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_email_get_the_same_answer() {
    let stack = Stack::start().await;
    stack.author("ada").await;
    let mut visitor = stack.visitor();
    for (email, password) in [
        ("ada@example.org", "wrong horse"),
        ("eve@example.org", "correct horse"),
    ] {
        let fields = [("email", email), ("password", password)];
        let page = visitor.submit("/sign-in", "/sign-in", &fields).await;
        assert_eq!(page.status, 422);
        assert!(page.text.contains("This e-mail and password do not match."));
        assert!(page.text.contains(&format!("value=\"{email}\"")), "kept");
        assert!(!page.text.contains(password), "never shown again");
    }
}

#[tokio::test]
async fn a_wrong_sign_up_says_what_is_wrong_and_keeps_the_rest() {
    let stack = Stack::start().await;
    let mut visitor = stack.visitor();
    let fields = [("name", "Ada"), ("email", "nowhere"), ("password", "short")];
    let page = visitor.submit("/sign-up", "/sign-up", &fields).await;
    assert_eq!(page.status, 422);
    for text in [
        "Enter an e-mail address",
        "The password is too short",
        "value=\"Ada\"",
        "aria-invalid=\"true\"",
        "email-error",
    ] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    assert_eq!(stack.count("SELECT count(*) FROM author").await, 0);
}

#[tokio::test]
async fn an_email_has_one_account() {
    let stack = Stack::start().await;
    stack.author("ada").await;
    let mut second = stack.visitor();
    let fields = [
        ("name", "Other"),
        ("email", "Ada@Example.org"),
        ("password", "another horse"),
    ];
    let page = second.submit("/sign-up", "/sign-up", &fields).await;
    assert_eq!(page.status, 422);
    assert!(page.text.contains("has an account already"));
    assert_eq!(stack.count("SELECT count(*) FROM author").await, 1);
}

#[tokio::test]
async fn passwords_are_stored_as_argon2id() {
    let stack = Stack::start().await;
    stack.author("ada").await;
    let text = "SELECT count(*) FROM author WHERE password_hash LIKE '$argon2id$%'";
    assert_eq!(stack.count(text).await, 1);
}

#[tokio::test]
async fn who_must_sign_in_comes_back_to_where_they_were_going() {
    let stack = Stack::start().await;
    stack.author("ada").await;
    let mut visitor = stack.visitor();
    let page = visitor.get("/polls/new").await;
    assert_eq!((page.status, page.location()), (303, "/sign-in"));
    let fields = [("email", "ada@example.org"), ("password", "correct horse")];
    let page = visitor.submit("/sign-in", "/sign-in", &fields).await;
    assert_eq!((page.status, page.location()), (303, "/polls/new"));
}
