//! The coloured name in front of every line of the stream.

/// Widest name, in characters; longer ones push their own lines to the right.
const WIDTH: usize = 8;

/// ANSI colours that can be read on dark and on light grounds, one a service.
const COLOURS: &[(&str, u8)] = &[
    ("proxy", 36),
    ("web", 32),
    ("worker", 33),
    ("beat", 35),
    ("postgres", 34),
    ("redis", 31),
    ("build", 90),
];
/// For what has no colour of its own, xtask itself above all.
const BOLD: u8 = 1;

/// The prefix of one service.
#[derive(Debug)]
pub(crate) struct Prefix {
    text: String,
}

impl Prefix {
    /// The prefix of `service`.
    pub(crate) fn new(service: &str, colour: bool) -> Self {
        let name = format!("{service:>WIDTH$}");
        let text = if colour {
            let code = COLOURS
                .iter()
                .find(|(known, _)| *known == service)
                .map_or(BOLD, |(_, code)| *code);
            format!("\u{1b}[{code}m{name} |\u{1b}[0m ")
        } else {
            format!("{name} | ")
        };
        Self { text }
    }

    /// One line of the service, with its end.
    pub(crate) fn line(&self, text: &str) -> String {
        format!("{}{text}\n", self.text)
    }
}
