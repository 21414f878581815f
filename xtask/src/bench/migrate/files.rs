//! The same migrations twice: as SQL files, and as revisions of Alembic.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

const INI: &str = "[alembic]\nscript_location = %(here)s/scripts\n";
const ENVIRONMENT: &str = "\
import os
import sqlalchemy
from alembic import context

with sqlalchemy.create_engine(os.environ['BENCH_URL']).connect() as connection:
    context.configure(connection, transaction_per_migration=bool(os.environ['BENCH_PER_FILE']))
    with context.begin_transaction():
        context.run_migrations()
";

/// Writes `count` of them below `directory`.
pub(super) fn write(directory: &Path, count: u32) -> Result<()> {
    let sql = directory.join("sql");
    let scripts = directory.join("alembic/scripts");
    let revisions = scripts.join("versions");
    for path in [&sql, &revisions] {
        fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
    }
    let write = |path: &Path, text: String| {
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    write(&directory.join("alembic/alembic.ini"), INI.to_owned())?;
    write(&scripts.join("env.py"), ENVIRONMENT.to_owned())?;
    write(&scripts.join("script.py.mako"), String::new())?;
    for number in 1..=count {
        let statement = statement(number);
        write(
            &sql.join(format!("V{number}__step.sql")),
            format!("{statement};\n"),
        )?;
        write(
            &revisions.join(format!("{number:04}.py")),
            revision(number, &statement),
        )?;
    }
    Ok(())
}

/// A table, and then nine columns of it.
fn statement(number: u32) -> String {
    let table = number / 10;
    if number.is_multiple_of(10) || number == 1 {
        format!("CREATE TABLE step_{table} (id bigint PRIMARY KEY, name text NOT NULL)")
    } else {
        format!("ALTER TABLE step_{table} ADD COLUMN value_{number} integer")
    }
}

fn revision(number: u32, statement: &str) -> String {
    let before = match number {
        1 => "None".to_owned(),
        number => format!("'{:04}'", number - 1),
    };
    format!(
        "from alembic import op\n\nrevision = '{number:04}'\ndown_revision = {before}\n\n\n\
         def upgrade():\n    op.execute(\"\"\"{statement}\"\"\")\n"
    )
}
