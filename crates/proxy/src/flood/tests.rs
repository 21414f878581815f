use std::sync::Arc;

use kiuas_common::metrics::Metrics;
use proptest::prelude::*;

use super::follower::Follower;
use super::*;
use crate::meter::Meter;
use crate::pulse::Pulse;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("length").to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn watch() -> Watch {
    let mut watch = Watch::new(&Arc::new(Pulse::new()), &Meter::new(&Metrics::new()), None);
    watch.received(PREFACE).expect("preface");
    watch
}

/// The number of `frames` after which the connection ends.
fn ends_after(mut watch: Watch, frames: impl Iterator<Item = Vec<u8>>) -> Option<(usize, Abuse)> {
    for (number, frame) in frames.enumerate() {
        if let Err(abuse) = watch.received(&frame) {
            return Some((number, abuse));
        }
    }
    None
}

fn repeated(frame: Vec<u8>) -> impl Iterator<Item = Vec<u8>> {
    std::iter::repeat_n(frame, 1500)
}

/// Streams that are opened, each followed by `then`.
fn streams(then: impl Fn(u32) -> Vec<u8>) -> impl Iterator<Item = Vec<u8>> {
    (0..750).flat_map(move |number| {
        let stream = number * 2 + 1;
        [frame(1, 0x5, stream, &[0x82]), then(stream)]
    })
}

#[test]
fn each_flood_ends_within_1500_frames() {
    let setting = frame(4, 0, 0, &[0, 3, 0, 0, 0, 100]);
    let update = frame(8, 0, 0, &[0, 0, 0, 1]);
    for (abuse, frame) in [
        (Abuse::EmptyData, frame(0, 0, 1, &[])),
        (Abuse::EmptyData, frame(0, 0x8, 1, &[3, 0, 0, 0])),
        (Abuse::Priority, frame(2, 0, 1, &[0; 5])),
        (Abuse::Settings, setting),
        (Abuse::Settings, frame(4, 1, 0, &[])),
        (Abuse::Ping, frame(6, 0, 0, &[0; 8])),
        (Abuse::WindowUpdate, update),
        (Abuse::Continuation, frame(9, 0, 1, &[0x82])),
        (Abuse::Unknown, frame(0xbe, 0, 0, &[1, 2, 3])),
    ] {
        let (_, found) = ends_after(watch(), repeated(frame)).expect("an end");
        assert_eq!(found, abuse);
    }
}

#[test]
fn a_visitor_who_resets_what_he_opens_is_stopped() {
    let resets = streams(|stream| frame(3, 0, stream, &[0, 0, 0, 8]));
    let (_, abuse) = ends_after(watch(), resets).expect("end");
    assert_eq!(abuse, Abuse::RapidReset);
}

#[test]
fn a_visitor_who_makes_us_reset_is_stopped() {
    let mut watch = watch();
    let ended = (0..1500).find_map(|number| {
        let reset = frame(3, 0, number * 2 + 1, &[0, 0, 0, 1]);
        watch.sent(&reset).err()
    });
    assert_eq!(ended, Some(Abuse::ProvokedReset));
}

#[test]
fn many_requests_under_a_window_that_is_never_opened_are_refused() {
    let shut = frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let requests = (0..100).map(|number| frame(1, 0x5, number * 2 + 1, &[0x82]));
    let (number, abuse) = ends_after(watch(), std::iter::once(shut).chain(requests)).expect("end");
    assert_eq!(abuse, Abuse::ShutWindow);
    assert!(number <= 40, "{number}");
}

#[test]
fn a_window_opened_crumb_by_crumb_is_refused() {
    let mut watch = watch();
    let shut = frame(4, 0, 0, &[0, 4, 0, 0, 0, 1]);
    watch.received(&shut).expect("settings");
    watch.received(&frame(1, 0x5, 1, &[0x82])).expect("request");
    let ended = (0..1500).find_map(|_| {
        watch.sent(&frame(0, 0, 1, b"x")).expect("data");
        watch.received(&frame(8, 0, 1, &[0, 0, 0, 1])).err()
    });
    assert_eq!(ended, Some(Abuse::WindowUpdate));
}

#[test]
fn a_long_download_with_an_update_for_each_piece_goes_on() {
    let mut watch = watch();
    watch.received(&frame(1, 0x5, 1, &[0x82])).expect("request");
    for _ in 0..5000 {
        watch.sent(&frame(0, 0, 1, &[0; 300])).expect("data");
        for stream in [0, 1] {
            let update = frame(8, 0, stream, &300_u32.to_be_bytes());
            watch.received(&update).expect("update");
        }
    }
}

#[test]
fn thousands_of_ordinary_requests_go_on() {
    let mut watch = watch();
    for number in 0..5000 {
        let stream = number * 2 + 1;
        let request = frame(1, 0x5, stream, &[0x82]);
        watch.received(&request).expect("request");
        watch.sent(&frame(1, 0x4, stream, &[0x88])).expect("head");
        watch.sent(&frame(0, 0x1, stream, b"body")).expect("body");
    }
}

#[test]
fn farewell_is_possible_only_between_frames() {
    let mut watch = watch();
    assert!(watch.may_speak());
    let data = frame(0, 0, 1, &[0; 200]);
    watch.sent(&data[..5]).expect("sent");
    assert!(!watch.may_speak());
    watch.sent(&data[5..150]).expect("sent");
    assert!(!watch.may_speak());
    watch.sent(&data[150..]).expect("sent");
    assert!(watch.may_speak());
}

proptest! {
    #[test]
    fn frames_are_the_same_however_the_bytes_are_cut(
        frames in proptest::collection::vec((any::<u8>(), any::<u8>(), 0..0x7fff_ffff_u32, 0..400_usize), 1..20),
        cuts in proptest::collection::vec(1..64_usize, 1..400),
    ) {
        let expected: Vec<_> = frames.iter().map(|(kind, flags, stream, length)| (*kind, *flags, *stream, *length)).collect();
        let bytes: Vec<u8> = frames
            .iter()
            .flat_map(|(kind, flags, stream, length)| frame(*kind, *flags, *stream, &vec![7; *length]))
            .collect();
        let mut follower = Follower::of_ours();
        let mut seen = Vec::new();
        let mut rest = bytes.as_slice();
        let mut cuts = cuts.iter().cycle();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(*cuts.next().expect("cut")));
            follower
                .step(piece, |frame| {
                    seen.push((frame.kind, frame.flags, frame.stream, frame.length));
                    Ok::<_, ()>(())
                })
                .expect("frames");
            rest = after;
        }
        prop_assert!(follower.is_at_boundary());
        prop_assert_eq!(seen, expected);
    }
}
