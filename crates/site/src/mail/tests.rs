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

/// Takes one letter as a mail server does, and hands back what the client said.
async fn take_one_letter(listener: tokio::net::TcpListener) -> String {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};

    let (stream, _) = listener.accept().await.expect("client");
    let mut stream = BufStream::new(stream);
    let (mut heard, mut in_letter) = (String::new(), false);
    let mut answer = "220 ready\r\n";
    loop {
        stream.write_all(answer.as_bytes()).await.expect("write");
        stream.flush().await.expect("flush");
        let mut line = String::new();
        if stream.read_line(&mut line).await.expect("read") == 0 {
            return heard;
        }
        heard.push_str(&line);
        answer = match line.trim_end() {
            "." if in_letter => "250 taken\r\n",
            _ if in_letter => "",
            "DATA" => {
                in_letter = true;
                "354 go on\r\n"
            }
            "QUIT" => return heard,
            _ => "250 good\r\n",
        };
        in_letter &= line != ".\r\n";
    }
}

#[tokio::test]
async fn a_letter_goes_to_the_mail_server() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("listener");
    let address = listener.local_addr().expect("address");
    let settings = MailSettings {
        transport: Transport::Smtp,
        url: format!("smtp://{address}"),
        from: "Polls <polls@example.org>".to_owned(),
        ..MailSettings::default()
    };
    let mailer = Mailer::new(&settings).expect("mailer");
    assert_eq!(mailer.directory(), None);
    let letter = letter("Closed");
    let (sent, heard) = tokio::join!(mailer.send(&letter), take_one_letter(listener));
    sent.expect("sent");
    for text in [
        "MAIL FROM:<polls@example.org>",
        "RCPT TO:<ada@example.org>",
        "Subject: Closed",
        "Message-ID: <poll-closed-1@example.org>",
    ] {
        assert!(heard.contains(text), "{text}: {heard}");
    }
}

#[tokio::test]
async fn a_mail_server_that_is_not_there_is_an_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listener");
    let address = listener.local_addr().expect("address");
    drop(listener);
    let settings = MailSettings {
        transport: Transport::Smtp,
        url: format!("smtp://{address}"),
        ..MailSettings::default()
    };
    let mailer = Mailer::new(&settings).expect("mailer");
    let refused = mailer.send(&letter("Closed")).await;
    assert!(matches!(refused, Err(MailError::Send(..))), "{refused:?}");
}
