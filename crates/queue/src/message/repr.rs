//! Arguments as Python would print them: what Flower and `celery inspect` show.

use serde_json::{Map, Value};

/// Longest text, as Celery's `argsrepr`.
const LONGEST: usize = 1024;

/// `(2, 'x')`.
pub(super) fn arguments(args: &[Value]) -> String {
    let mut out = Printer::default();
    out.text("(");
    out.list(args);
    if args.len() == 1 {
        out.text(",");
    }
    out.text(")");
    out.finish()
}

/// `{'a': 2}`.
pub(super) fn keywords(kwargs: &Map<String, Value>) -> String {
    let mut out = Printer::default();
    out.map(kwargs);
    out.finish()
}

/// One value.
pub(crate) fn value(value: &Value) -> String {
    let mut out = Printer::default();
    out.value(value);
    out.finish()
}

#[derive(Default)]
struct Printer {
    text: String,
}

impl Printer {
    fn is_full(&self) -> bool {
        self.text.len() > LONGEST
    }

    fn text(&mut self, text: &str) {
        if !self.is_full() {
            self.text.push_str(text);
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.text("None"),
            Value::Bool(true) => self.text("True"),
            Value::Bool(false) => self.text("False"),
            Value::Number(number) => self.text(&number.to_string()),
            Value::String(text) => self.string(text),
            Value::Array(items) => {
                self.text("[");
                self.list(items);
                self.text("]");
            }
            Value::Object(map) => self.map(map),
        }
    }

    fn list(&mut self, items: &[Value]) {
        for (index, item) in items.iter().enumerate() {
            if self.is_full() {
                return;
            }
            if index > 0 {
                self.text(", ");
            }
            self.value(item);
        }
    }

    fn map(&mut self, map: &Map<String, Value>) {
        self.text("{");
        for (index, (key, value)) in map.iter().enumerate() {
            if self.is_full() {
                return;
            }
            if index > 0 {
                self.text(", ");
            }
            self.string(key);
            self.text(": ");
            self.value(value);
        }
        self.text("}");
    }

    fn string(&mut self, text: &str) {
        let quote = if text.contains('\'') && !text.contains('"') {
            '"'
        } else {
            '\''
        };
        self.text.push(quote);
        for character in text.chars() {
            if self.is_full() {
                return;
            }
            match character {
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                c if c == quote => {
                    self.text.push('\\');
                    self.text.push(c);
                }
                c if c.is_control() => self.text.push_str(&format!("\\x{:02x}", u32::from(c))),
                c => self.text.push(c),
            }
        }
        self.text.push(quote);
    }

    fn finish(self) -> String {
        if !self.is_full() {
            return self.text;
        }
        let mut text: String = self.text.chars().take(LONGEST - 3).collect();
        text.push_str("...");
        text
    }
}
