//! A TOML file as a layer of the settings. Each value remembers the file and the line it is in, so that
//! an error can name both.

use std::fmt;
use std::io;
use std::path::Path;

use config::{ConfigError, Map, Source, Value, ValueKind};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A file's values.
#[derive(Debug, Clone)]
pub(super) struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

impl Layer {
    /// Reads a file that may be absent.
    ///
    /// # Errors
    /// It cannot be read, or is no TOML.
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let broken = |cause: Box<dyn std::error::Error + Send + Sync>| ConfigError::FileParse {
            uri: Some(path.display().to_string()),
            cause,
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self(Map::new())),
            Err(error) => return Err(broken(error.into())),
        };
        let table = DeTable::parse(&text).map_err(|error| broken(error.into()))?;
        Reader::new(path.display().to_string(), &text)
            .table(table.into_inner())
            .map(Self)
            .map_err(|problem| broken(problem.into()))
    }

    /// Gives the tables of `tree` the places that they have here: a table that is put together of layers
    /// has none of its own. Those that have one already keep it.
    pub(super) fn place_tables(&self, tree: &mut Map<String, Value>) {
        place(&self.0, tree);
    }
}

fn place(layer: &Map<String, Value>, tree: &mut Map<String, Value>) {
    for (name, value) in tree {
        let Some(here) = layer.get(name) else {
            continue;
        };
        if let (ValueKind::Table(inner), ValueKind::Table(table)) = (&here.kind, &mut value.kind) {
            place(inner, table);
            if value.origin().is_none() {
                let origin = here.origin().map(str::to_owned);
                *value = Value::new(origin.as_ref(), value.kind.clone());
            }
        }
    }
}

/// Turns what was parsed into values with their places.
struct Reader {
    path: String,
    /// Where lines end.
    ends: Vec<usize>,
}

impl Reader {
    fn new(path: String, text: &str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at).collect();
        Self { path, ends }
    }

    fn table(&self, table: DeTable<'_>) -> Result<Map<String, Value>, String> {
        table
            .into_iter()
            .map(|(key, value)| {
                let at = key.span().start;
                Ok((key.into_inner().into_owned(), self.value(value, Some(at))?))
            })
            .collect()
    }

    /// `at` is where its key is, if it has one: a value of several lines belongs to its key's line.
    fn value(&self, value: Spanned<DeValue<'_>>, at: Option<usize>) -> Result<Value, String> {
        let line = self.line(at.unwrap_or(value.span().start));
        let wrong = |problem: &dyn fmt::Display| format!("line {line}: {problem}");
        let kind = match value.into_inner() {
            DeValue::String(text) => ValueKind::from(text.into_owned()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_err(|error| wrong(&error))?
                .into(),
            DeValue::Float(number) => number
                .as_str()
                .parse::<f64>()
                .map_err(|error| wrong(&error))?
                .into(),
            DeValue::Boolean(truth) => truth.into(),
            DeValue::Datetime(time) => time.to_string().into(),
            DeValue::Array(items) => ValueKind::Array(
                items
                    .into_iter()
                    .map(|item| self.value(item, None))
                    .collect::<Result<_, _>>()?,
            ),
            DeValue::Table(table) => ValueKind::Table(self.table(table)?),
        };
        Ok(Value::new(Some(&format!("{}:{line}", self.path)), kind))
    }

    /// From 1.
    fn line(&self, at: usize) -> usize {
        self.ends.partition_point(|end| *end < at) + 1
    }
}
