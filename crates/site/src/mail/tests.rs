//! Letters in files.

use super::*;

fn mailer(directory: &Path) -> Mailer {
    let settings = MailSettings {
        directory: directory.to_owned(),
        from: "Polls <polls@example.org>".to_owned(),
        ..MailSettings::default()
    };
    Mailer::new(&settings).expect("mailer")
}

fn letter(subject: &str) -> Letter {
    Letter {
        id: "poll-closed-1".to_owned(),
        to: "ada@example.org".to_owned(),
        subject: subject.to_owned(),
        text: "Grüße\n".to_owned(),
    }
}

#[tokio::test]
async fn the_same_letter_twice_is_one_letter() {
    let directory = tempfile::tempdir().expect("directory");
    let mailer = mailer(directory.path());
    mailer.send(&letter("Closed")).await.expect("sent");
    mailer.send(&letter("Closed")).await.expect("sent again");
    let caught = catcher::list(directory.path()).await.expect("list");
    assert_eq!(caught.len(), 1);
    assert_eq!(caught[0].text, "Grüße\n");
}

#[tokio::test]
async fn a_letter_carries_its_id_and_no_header_of_its_text() {
    let directory = tempfile::tempdir().expect("directory");
    let subject = "Closed\r\nBcc: eve@example.org";
    mailer(directory.path())
        .send(&letter(subject))
        .await
        .expect("sent");
    let path = directory.path().join("poll-closed-1.eml");
    let text = std::fs::read_to_string(path).expect("letter");
    assert!(
        text.contains("Message-ID: <poll-closed-1@example.org>"),
        "{text}"
    );
    assert!(!text.lines().any(|line| line.starts_with("Bcc:")), "{text}");
}

#[tokio::test]
async fn a_directory_that_is_not_there_holds_no_mail() {
    let missing = Path::new("/nonexistent/mail");
    assert!(catcher::list(missing).await.expect("list").is_empty());
}

#[tokio::test]
async fn only_ids_of_letters_are_looked_for() {
    let directory = tempfile::tempdir().expect("directory");
    std::fs::write(directory.path().join("secret.json"), "{}").expect("file");
    for id in ["../secret", "a/b", "", ".", "A"] {
        let found = catcher::find(directory.path(), id).await.expect("answer");
        assert!(found.is_none(), "{id}");
    }
}

#[test]
fn a_wrong_sender_is_refused_at_start() {
    let settings = MailSettings {
        from: "nobody".to_owned(),
        ..MailSettings::default()
    };
    let error = Mailer::new(&settings).expect_err("error");
    assert!(error.to_string().contains("`mail.from`"), "{error}");
}
