//! What phases leave for the answer, whichever it will be.

use http::HeaderMap;

use crate::lines::Fields;
use crate::plan::{HeaderRules, Pages};

/// Fields and rules for the answer.
#[derive(Debug, Default)]
pub(super) struct Notes<'a> {
    /// Fields that the answer needs.
    pub(super) fields: HeaderMap,
    /// The rules of the site, then of the route.
    pub(super) rules: Option<&'a HeaderRules>,
    /// The site's pages for errors.
    pub(super) pages: Option<&'a Pages>,
    /// Who gave the right password, for the record.
    pub(super) user: Option<Box<str>>,
    /// The answer tells how long it took.
    pub(super) timing: bool,
}

impl Notes<'_> {
    /// Last of all: fields of an answer on its way out.
    pub(super) fn apply(&self, fields: &mut impl Fields) {
        for (name, value) in &self.fields {
            fields.add(name, value);
        }
        if let Some(rules) = self.rules {
            rules.apply(fields);
        }
    }
}
