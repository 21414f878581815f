//! Creating, showing and changing polls.

use crate::stack::Stack;

#[tokio::test]
async fn a_new_poll_is_on_its_page_and_on_the_front_page() {
    let stack = Stack::start().await;
    let mut ada = stack.author("ada").await;
    let poll = ada.create("Tea or coffee?", "Tea\nCoffee\n\n", "").await;
    let page = stack.visitor().get(&poll).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("Tea or coffee?"));
    assert_eq!(page.counts(), [0, 0]);
    assert!(page.text.contains(&format!("data-live=\"{poll}/live\"")));
    assert!(!page.is_closed());
    let home = stack.visitor().get("/").await;
    assert!(home.text.contains(&format!("href=\"{poll}\"")));
}

#[tokio::test]
async fn a_wrong_poll_keeps_what_was_entered() {
    let stack = Stack::start().await;
    let mut ada = stack.author("ada").await;
    let fields = [
        ("question", "Only one?"),
        ("choices", "One"),
        ("closes_at", "2001-01-01T00:00:00"),
    ];
    let page = ada.submit("/polls/new", "/polls/new", &fields).await;
    assert_eq!(page.status, 422);
    for text in [
        "value=\"Only one?\"",
        "One</textarea>",
        "value=\"2001-01-01T00:00:00\"",
        "Enter 2 to 20 choices",
        "Enter a time in the future",
    ] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
}

#[tokio::test]
async fn what_people_write_is_text_and_never_html() {
    let stack = Stack::start().await;
    let mut ada = stack.author("ada").await;
    let script = "<script>alert(1)</script>";
    let quote = "\"><img src=x>";
    let poll = ada.create(script, &format!("{script}\n{quote}"), "").await;
    for path in [poll.as_str(), "/", "/polls/mine", &format!("{poll}/edit")] {
        let page = ada.get(path).await;
        assert_eq!(page.status, 200);
        assert!(!page.text.contains("<script>"), "{path}: {}", page.text);
        assert!(!page.text.contains("<img"), "{path}: {}", page.text);
        assert!(page.text.contains("alert(1)"), "{path}");
    }
}

#[tokio::test]
async fn a_poll_without_votes_can_change_entirely() {
    let stack = Stack::start().await;
    let mut ada = stack.author("ada").await;
    let poll = ada.create("Old?", "a\nb", "").await;
    // The page fills the cache, which then holds the old choices.
    ada.get(&poll).await;
    let edit = format!("{poll}/edit");
    let fields = [
        ("question", "New?"),
        ("choices", "c\nd\ne"),
        ("closes_at", ""),
    ];
    let page = ada.submit(&edit, &edit, &fields).await;
    assert_eq!((page.status, page.location()), (303, poll.as_str()));
    let page = ada.get(&poll).await;
    assert!(page.text.contains("New?") && !page.text.contains("Old?"));
    assert_eq!(page.counts(), [0, 0, 0]);
}

#[tokio::test]
async fn after_the_first_vote_only_the_closing_time_changes() {
    let stack = Stack::start().await;
    let mut ada = stack.author("ada").await;
    let poll = ada.create("Old?", "a\nb", "").await;
    stack.visitor().vote(&poll, 0).await;
    let edit = format!("{poll}/edit");
    let later = stack
        .postgres
        .get()
        .await
        .expect("connection")
        .query_one(
            "SELECT to_char(now() AT TIME ZONE 'UTC' + interval '1 day', 'YYYY-MM-DD\"T\"HH24:MI:SS')",
            &[],
        )
        .await
        .expect("row")
        .get::<_, String>(0);
    let fields = [
        ("question", "New?"),
        ("choices", "c\nd"),
        ("closes_at", &later),
    ];
    let page = ada.submit(&edit, &edit, &fields).await;
    assert_eq!(page.status, 303, "{}", page.text);
    let page = ada.get(&poll).await;
    assert!(page.text.contains("Old?") && !page.text.contains("New?"));
    assert_eq!(page.counts(), [1, 0]);
    let closing = "SELECT count(*) FROM poll WHERE closes_at IS NOT NULL";
    assert_eq!(stack.count(closing).await, 1);
}

#[tokio::test]
async fn only_its_author_changes_or_closes_a_poll() {
    let stack = Stack::start().await;
    let poll = stack.author("ada").await.create("Mine?", "a\nb", "").await;
    let mut eve = stack.author("eve").await;
    assert!(!eve.get(&poll).await.text.contains("Close now"));
    assert_eq!(eve.get(&format!("{poll}/edit")).await.status, 403);
    let fields = [
        ("question", "Eve's"),
        ("choices", "a\nb"),
        ("closes_at", ""),
    ];
    for action in ["edit", "close"] {
        let page = eve.submit("/", &format!("{poll}/{action}"), &fields).await;
        assert_eq!(page.status, 403, "{action}");
    }
    let untouched = "SELECT count(*) FROM poll WHERE question = 'Mine?' AND closed_at IS NULL";
    assert_eq!(stack.count(untouched).await, 1);
}

#[tokio::test]
async fn a_closed_poll_cannot_be_changed() {
    let stack = Stack::start().await;
    let mut ada = stack.author("ada").await;
    let poll = ada.create("Over?", "a\nb", "").await;
    let page = ada.submit(&poll, &format!("{poll}/close"), &[]).await;
    assert_eq!(page.status, 303);
    assert!(ada.get(&poll).await.is_closed());
    assert_eq!(ada.get(&format!("{poll}/edit")).await.status, 409);
    let fields = [
        ("question", "Again?"),
        ("choices", "a\nb"),
        ("closes_at", ""),
    ];
    let page = ada.submit("/", &format!("{poll}/edit"), &fields).await;
    assert_eq!(page.status, 409);
}

#[tokio::test]
async fn what_is_not_there_is_a_page_with_status_404() {
    let stack = Stack::start().await;
    let unknown = "/polls/00000000-0000-7000-8000-000000000000";
    for path in ["/nowhere", "/polls/not-an-id", unknown] {
        let page = stack.visitor().get(path).await;
        assert_eq!(page.status, 404, "{path}");
        assert!(
            page.text.contains("Back to the polls"),
            "{path}: {}",
            page.text
        );
    }
}

#[tokio::test]
async fn long_lists_have_pages() {
    let stack = Stack::start().await;
    let mut ada = stack.author("ada").await;
    let token = ada.get("/polls/new").await.csrf_token();
    for number in 0..21 {
        let question = format!("Question {number}?");
        let fields = [
            ("question", question.as_str()),
            ("choices", "a\nb"),
            ("csrf_token", &token),
        ];
        assert_eq!(ada.post("/polls/new", &fields).await.status, 303);
    }
    let first = ada.get("/").await;
    assert!(first.text.contains("Question 20?") && !first.text.contains("Question 0?"));
    let older = first.after("rel=\"next\"", "href").expect("next page");
    let second = ada.get(older).await;
    assert!(second.text.contains("Question 0?") && !second.text.contains("Question 1?"));
    assert!(second.after("rel=\"next\"", "href").is_none());
}

#[tokio::test]
async fn who_only_reads_gets_no_session() {
    let stack = Stack::start().await;
    let mut visitor = stack.visitor();
    for path in ["/", "/mail", "/nowhere"] {
        visitor.get(path).await;
        assert_eq!(visitor.cookie, None, "{path}");
    }
}
