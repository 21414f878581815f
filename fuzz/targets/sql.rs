//! SQL of migration files: whatever a file says, it is cut into statements and judged without a panic, and
//! every finding points into the file.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|sql: &str| {
    let lines = 1 + sql.matches('\n').count();
    for finding in kiuas_migrate::judge_text(sql).unwrap_or_default() {
        assert!((1..=lines).contains(&finding.line));
    }
});
