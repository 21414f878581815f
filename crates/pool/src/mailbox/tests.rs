use proptest::prelude::*;

use super::*;

#[test]
fn ready_and_stopping_are_heard_among_other_lines() {
    let message = b"STATUS=warm\nREADY=1\nMAINPID=12\nSTOPPING=1\n";
    let pid = Pid::INIT;
    assert!(matches!(
        read(message, pid)[..],
        [Event::Ready(ready), Event::Stopping(stopping)] if ready == pid && stopping == pid
    ));
}

#[test]
fn almost_ready_is_not_ready() {
    for message in [&b"READY=0"[..], b"READY=11", b" READY=1", b"ready=1", b""] {
        assert!(read(message, Pid::INIT).is_empty());
    }
}

proptest! {
    #[test]
    fn no_message_is_too_strange(message in proptest::collection::vec(any::<u8>(), 0..5000)) {
        let lines = message.iter().filter(|byte| **byte == b'\n').count() + 1;
        prop_assert!(read(&message, Pid::INIT).len() <= lines);
    }
}

#[tokio::test]
async fn the_directory_is_private_and_goes_with_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    let directory = Directory::create(false).expect("directory");
    let path = directory.path().to_owned();
    let mode = std::fs::metadata(&path)
        .expect("metadata")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    let mailbox = Mailbox::open(&directory, 1, None).expect("mailbox");
    assert!(mailbox.path().starts_with(&path));
    drop(directory);
    assert!(!path.exists());
}
