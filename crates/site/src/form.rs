//! What is wrong with a form: one message a field, in the order of the fields.

/// Messages by field.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    messages: Vec<(&'static str, String)>,
}

impl Errors {
    /// Adds a message; the first one of a field stays.
    pub(crate) fn add(&mut self, field: &'static str, message: impl Into<String>) {
        if !self.has(field) {
            self.messages.push((field, message.into()));
        }
    }

    /// Adds `message` unless `holds`.
    pub(crate) fn require(&mut self, holds: bool, field: &'static str, message: &str) {
        if !holds {
            self.add(field, message);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(crate) fn has(&self, field: &str) -> bool {
        self.of(field).is_some()
    }

    pub(crate) fn of(&self, field: &str) -> Option<&str> {
        let found = self.messages.iter().find(|(name, _)| *name == field);
        found.map(|(_, message)| message.as_str())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.messages
            .iter()
            .map(|(name, text)| (*name, text.as_str()))
    }
}

/// A line of text as people mean it: without control characters and without blanks around or in a row.
pub(crate) fn line(text: &str) -> String {
    let clean = text.replace(char::is_control, " ");
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether `text` has at most `longest` characters, as PostgreSQL counts them.
pub(crate) fn fits(text: &str, longest: usize) -> bool {
    text.chars().nth(longest).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_message_of_a_field_stays() {
        let mut errors = Errors::default();
        errors.add("name", "first");
        errors.require(false, "name", "second");
        errors.require(true, "email", "never");
        assert_eq!(errors.iter().collect::<Vec<_>>(), [("name", "first")]);
    }

    #[test]
    fn a_line_has_no_control_characters_and_single_blanks() {
        assert_eq!(line("  Which\tway \0\r\n now? "), "Which way now?");
    }

    #[test]
    fn length_counts_characters_and_not_bytes() {
        assert!(fits("äöü", 3));
        assert!(!fits("äöüß", 3));
    }
}
