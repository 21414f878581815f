//! A plan for eyes.

use std::fmt;

use super::{Finding, Plan, PlannedFile, Verdict};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.files {
            write!(f, "{file}")?;
        }
        let findings = self.files.iter().flat_map(|file| &file.findings);
        let refused = findings.filter(|it| it.verdict == Verdict::Refused).count();
        match (self.files.len(), refused) {
            (0, _) => writeln!(f, "nothing to do"),
            (1, 0) => writeln!(f, "1 file, nothing stands against it"),
            (files, 0) => writeln!(f, "{files} files, nothing stands against them"),
            (files, refused) => writeln!(f, "{files} files, {refused} refused statements"),
        }
    }
}

impl fmt::Display for PlannedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = if self.no_transaction {
            ", no transaction"
        } else {
            ""
        };
        writeln!(f, "=== {}/{} ({}{mode})", self.set, self.file, self.phase)?;
        writeln!(f, "{}", self.sql.trim_end())?;
        for finding in &self.findings {
            write!(f, "--- {finding}")?;
        }
        writeln!(f)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match &self.verdict {
            Verdict::Refused => "REFUSED".to_owned(),
            Verdict::Allowed { reason } => format!("allowed ({reason})"),
            Verdict::Told => "mind".to_owned(),
        };
        writeln!(
            f,
            "line {}: {verdict}: {} ({})",
            self.line, self.rule, self.harm
        )?;
        writeln!(f, "    {}", self.statement)?;
        writeln!(f, "    why:  {}", self.why)?;
        if let Verdict::Allowed { .. } = self.verdict {
            return Ok(());
        }
        writeln!(f, "    safe: {}", self.instead)
    }
}
