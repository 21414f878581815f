//! What the plan refuses, in one block.

use std::fmt;

use crate::plan::Finding;

/// A statement that the plan refuses.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Refused {
    /// The set.
    pub set: String,
    /// The file.
    pub file: String,
    /// What is refused.
    pub finding: Finding,
}

/// All of them.
pub(super) fn block(refused: &[Refused]) -> String {
    let mut block = String::new();
    for one in refused {
        block.push_str(&format!("\n{one}"));
    }
    block
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { set, file, finding } = self;
        let rule = finding.rule;
        writeln!(
            f,
            "`{file}` of `{set}`, line {}: {rule}: {}",
            finding.line, finding.statement
        )?;
        writeln!(f, "    why:  {}", finding.why)?;
        writeln!(f, "    safe: {}", finding.instead)?;
        if rule.always_fails() {
            return Ok(());
        }
        write!(
            f,
            "    or, if you know better: `-- migrate: allow {rule}: REASON` before the statement"
        )
    }
}
