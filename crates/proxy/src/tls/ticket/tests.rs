use proptest::prelude::*;

use super::*;

fn at(hours: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_hours(hours)
}

#[test]
fn a_ticket_opens_under_its_own_terms_alone() {
    let keys = TicketKeys::new().expect("keys");
    let ticket = keys.seal(b"session", b"terms", at(0)).expect("ticket");
    assert_eq!(
        keys.open(&ticket, b"terms", at(0)).as_deref(),
        Some(&b"session"[..])
    );
    assert_eq!(keys.open(&ticket, b"other terms", at(0)), None);
    assert_ne!(
        ticket,
        keys.seal(b"session", b"terms", at(0)).expect("ticket"),
        "no two tickets are alike"
    );
}

#[test]
fn keys_rotate_and_two_before_the_current_one_still_open() {
    let keys = TicketKeys::new().expect("keys");
    let tickets: Vec<_> = [0, 6, 12, 18]
        .map(|hours| keys.seal(b"s", b"", at(hours)).expect("ticket"))
        .into();
    let names: std::collections::HashSet<_> =
        tickets.iter().map(|ticket| &ticket[..NAME]).collect();
    assert_eq!(names.len(), 4);
    let opens: Vec<_> = tickets
        .iter()
        .map(|ticket| keys.open(ticket, b"", at(18)).is_some())
        .collect();
    assert_eq!(opens, [false, true, true, true]);
}

#[test]
fn a_forgotten_key_opens_nothing_even_if_nobody_rotated() {
    let keys = TicketKeys::new().expect("keys");
    let ticket = keys.seal(b"s", b"", at(0)).expect("ticket");
    assert!(keys.open(&ticket, b"", at(17)).is_some());
    assert!(keys.open(&ticket, b"", at(19)).is_none());
}

#[test]
fn another_process_resumes_with_exported_keys() {
    let (old, new) = (
        TicketKeys::new().expect("keys"),
        TicketKeys::new().expect("keys"),
    );
    let ticket = old.seal(b"s", b"t", at(0)).expect("ticket");
    assert_eq!(new.open(&ticket, b"t", at(0)), None);
    assert!(new.import(&old.export()));
    assert!(new.open(&ticket, b"t", at(0)).is_some());
    assert!(!format!("{new:?}").contains("secret"));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let keys = TicketKeys::new().expect("keys");
        prop_assert_eq!(keys.open(&bytes, b"", at(0)), None);
        let before = keys.export();
        if !keys.import(&bytes) {
            prop_assert_eq!(before, keys.export());
        }
    }

    #[test]
    fn a_changed_ticket_does_not_open(at_byte in 0usize..51, bit in 0u8..8) {
        let keys = TicketKeys::new().expect("keys");
        let mut ticket = keys.seal(b"session", b"", at(0)).expect("ticket");
        ticket[at_byte] ^= 1 << bit;
        prop_assert_eq!(keys.open(&ticket, b"", at(0)), None);
    }
}
