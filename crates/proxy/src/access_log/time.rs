//! Times in lines. The part that changes once a second is formatted once a second and thread.

use std::cell::RefCell;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::clock;

struct Second {
    second: i64,
    local: String,
    utc: String,
}

thread_local! {
    static SECOND: RefCell<Second> = const {
        RefCell::new(Second { second: i64::MIN, local: String::new(), utc: String::new() })
    };
    static ZONE: TimeZone = TimeZone::system();
}

/// `24/Nov/2026:16:14:21 +0000`, in the machine's time zone (nginx's `$time_local`).
pub(super) fn local(out: &mut Vec<u8>) {
    with_second(|second, _| out.extend_from_slice(second.local.as_bytes()));
}

/// `2026-11-24T16:14:21.123Z`.
pub(super) fn utc(out: &mut Vec<u8>) {
    with_second(|second, milliseconds| {
        out.extend_from_slice(second.utc.as_bytes());
        out.push(b'.');
        let digit = |number: u32| b"0123456789"[usize::try_from(number % 10).unwrap_or_default()];
        out.extend_from_slice(&[
            digit(milliseconds / 100),
            digit(milliseconds / 10),
            digit(milliseconds),
            b'Z',
        ]);
    });
}

fn with_second(write: impl FnOnce(&Second, u32)) {
    let since = clock::since_epoch();
    let second = i64::try_from(since.as_secs()).unwrap_or_default();
    SECOND.with_borrow_mut(|known| {
        if known.second != second {
            known.second = second;
            let now = Timestamp::from_second(second).unwrap_or_default();
            let local = ZONE.with(|zone| now.to_zoned(zone.clone()));
            known.local = local.strftime("%d/%b/%Y:%H:%M:%S %z").to_string();
            known.utc = now.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        }
        write(known, since.subsec_millis());
    });
}
