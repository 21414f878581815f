//! Text in words of shared memory: at most so many bytes, ended by the first zero.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

const WORD: usize = size_of::<u64>();

/// Writes `parts`, joined by a space, as far as they fit; control characters become `?`.
pub(super) fn write(words: &[AtomicU64], parts: &[&str]) {
    let mut bytes = [0; WORD];
    let mut length = 0;
    let mut words = words.iter();
    let mut push = |byte: u8| {
        bytes[length] = if byte.is_ascii_control() { b'?' } else { byte };
        length += 1;
        if length < WORD {
            return true;
        }
        length = 0;
        let word = std::mem::take(&mut bytes);
        words.next().inspect(|place| store(place, word)).is_some()
    };
    let _fits = parts
        .iter()
        .enumerate()
        .all(|(index, part)| (index == 0 || push(b' ')) && part.bytes().all(&mut push));
    // The rest of the last word is zeros; after a full one this ends the text.
    if let Some(place) = words.next() {
        store(place, bytes);
    }
}

/// Reads whatever is there as text that is safe to print.
pub(super) fn read(words: &[AtomicU64]) -> String {
    let bytes: Vec<u8> = words
        .iter()
        .flat_map(|word| word.load(Relaxed).to_le_bytes())
        .take_while(|byte| *byte != 0)
        .collect();
    let is_cut = bytes.len() == words.len() * WORD;
    let mut text: String = String::from_utf8_lossy(&bytes)
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    if is_cut && text.ends_with(char::REPLACEMENT_CHARACTER) {
        // The end of the space was in the middle of a character.
        text.pop();
    }
    text
}

fn store(place: &AtomicU64, word: [u8; WORD]) {
    place.store(u64::from_le_bytes(word), Relaxed);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(parts: &[&str]) -> String {
        // Remains of what was there before must not show.
        let words = [const { AtomicU64::new(u64::from_le_bytes(*b"oldtext!")) }; 4];
        write(&words, parts);
        read(&words)
    }

    #[test]
    fn text_is_joined_cut_and_cleaned() {
        assert_eq!(written(&["GET", "/a"]), "GET /a");
        assert_eq!(written(&["12345678"]), "12345678");
        assert_eq!(written(&[""]), "");
        assert_eq!(written(&["a\nb\u{7f}\0c"]), "a?b??c");
        assert_eq!(written(&[&"x".repeat(99)]), "x".repeat(32));
        assert_eq!(written(&[&format!("{}ä", "x".repeat(31))]), "x".repeat(31));
    }

    proptest! {
        #[test]
        fn short_text_without_control_characters_comes_back(text in "\\PC{0,8}") {
            prop_assert_eq!(written(&[&text]), text);
        }

        #[test]
        fn any_words_are_read_as_printable_text(words in proptest::array::uniform4(any::<u64>())) {
            let text = read(&words.map(AtomicU64::new));
            prop_assert!(!text.chars().any(char::is_control));
            prop_assert!(text.chars().count() <= 32);
        }
    }
}
