//! Polls that close, and the mail about it.

use crate::stack::{Stack, wait_for};

const SENT: &str = "SELECT count(*) FROM closing_mail WHERE sent_at IS NOT NULL";

#[tokio::test]
async fn beat_closes_a_poll_whose_time_has_come_and_its_author_gets_one_mail() {
    let stack = Stack::start_all().await;
    let mut ada = stack.author("ada").await;
    let poll = ada.create("Tea & <coffee>?", "Tea\nCoffee", "").await;
    stack.visitor().vote(&poll, 1).await;
    stack
        .execute("UPDATE poll SET closes_at = now() + interval '1 second'")
        .await;
    wait_for("the poll closes", async || {
        stack.visitor().get(&poll).await.is_closed().then_some(())
    })
    .await;
    wait_for("the mail", async || {
        (stack.count(SENT).await == 1).then_some(())
    })
    .await;

    let list = ada.get("/mail").await;
    assert_eq!(list.text.matches("class=\"card mail\"").count(), 1);
    let mail = list.after("class=\"card mail\"", "href").expect("link");
    let mail = ada.get(mail).await;
    for text in [
        "Closed: Tea",
        "ada@example.org",
        "1  Coffee",
        "0  Tea",
        &format!("https://polls.example.org{poll}"),
    ] {
        assert!(mail.text.contains(text), "{text}: {}", mail.text);
    }
    let letters = std::fs::read_dir(stack.mail_directory()).expect("directory");
    let letters = letters.filter(|entry| {
        let name = entry.as_ref().expect("entry").file_name();
        name.to_string_lossy().ends_with(".eml")
    });
    assert_eq!(letters.count(), 1);
}

#[tokio::test]
async fn a_mail_text_is_no_html() {
    let stack = Stack::start_with_worker().await;
    let mut ada = stack.author("ada").await;
    let poll = ada.create("Tea & <coffee>?", "a\nb", "").await;
    ada.submit(&poll, &format!("{poll}/close"), &[]).await;
    wait_for("the mail", async || {
        (stack.count(SENT).await == 1).then_some(())
    })
    .await;
    let id = poll.trim_start_matches("/polls/");
    let path = stack
        .mail_directory()
        .join(format!("poll-closed-{id}.json"));
    let letter = std::fs::read_to_string(path).expect("letter");
    assert!(
        letter.contains("your poll is closed: Tea & <coffee>?"),
        "{letter}"
    );
}

#[tokio::test]
async fn the_task_of_a_mail_that_was_sent_sends_none() {
    let stack = Stack::start_with_worker().await;
    let mut ada = stack.author("ada").await;
    let poll = ada.create("Q?", "a\nb", "").await;
    ada.submit(&poll, &format!("{poll}/close"), &[]).await;
    wait_for("the mail", async || {
        (stack.count(SENT).await == 1).then_some(())
    })
    .await;

    let id = poll.trim_start_matches("/polls/");
    std::fs::remove_dir_all(stack.mail_directory()).expect("remove");
    let again = crate::demo::run(&stack, "polls.mail_closed", vec![id.into()]).await;
    assert_eq!(again, serde_json::json!(false));
    assert!(!stack.mail_directory().exists());
}

#[tokio::test]
async fn closing_twice_is_closing_once() {
    let stack = Stack::start().await;
    let mut ada = stack.author("ada").await;
    let poll = ada.create("Q?", "a\nb", "").await;
    let close = format!("{poll}/close");
    let token = ada.get(&poll).await.csrf_token();
    for _ in 0..2 {
        assert_eq!(
            ada.post(&close, &[("csrf_token", &token)]).await.status,
            303
        );
    }
    assert!(ada.get(&poll).await.text.contains("was closed already"));
    let mails = "SELECT count(*) FROM kiuas.outbox WHERE message LIKE '%polls.mail_closed%'";
    assert_eq!(stack.count(mails).await, 1);
}
