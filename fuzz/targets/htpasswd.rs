//! htpasswd files: no text makes the parser panic; a problem names a line that exists and never shows
//! what stands behind the colon.
#![no_main]

use kiuas_proxy::password::Users;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Users::parse(text) {
        Ok(users) => {
            let (hash, known) = users.of("a user that no file has\0");
            assert!(!known);
            // Cheap to compare alone: the others are made to take long.
            if text.len() < 64 && text.contains("{SHA}") {
                assert!(!hash.is_of(b"a password that nobody has"));
            }
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            for error in errors {
                assert!(error.line >= 1 && error.line <= text.lines().count().max(1));
            }
        }
    }
});
