//! Rebuilds the site when a migration is added: the macro that embeds them sees only the files that
//! were there when it ran.

fn main() {
    use std::io::Write;
    let mut output = std::io::stdout().lock();
    drop(writeln!(output, "cargo::rerun-if-changed=../../migrations"));
}
