//! Cache directives of visitors and applications: no bytes make a parser panic, `no-store` in front always
//! counts, and nothing that is added makes an answer fresher.
#![no_main]

use kiuas_proxy::cache::control::Directives;
use kiuas_proxy::cache::{date, targeted};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let plain = Directives::parse(bytes);
    drop(targeted::parse(bytes));
    if let Ok(text) = std::str::from_utf8(bytes) {
        drop(date::parse(text));
    }
    let mut longer = b"no-store, max-age=60, ".to_vec();
    longer.extend_from_slice(bytes);
    let longer = Directives::parse(&longer);
    assert!(longer.no_store);
    assert!(longer.max_age <= plain.max_age.map(|age| age.min(60)).or(Some(60)));
});
