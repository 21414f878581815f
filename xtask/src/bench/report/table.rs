//! A line a work and a column a server: for many works of few servers.

use super::{Goal, Machine, OURS, Row};

/// The head of the table.
pub(in super::super) fn head(machine: &Machine, peers: &[String]) -> String {
    let mut head = format!(
        "{}\nmicroseconds of CPU for a request / milliseconds to the 99th percentile; medians\n{:<34} {:>9} {:>9}  ",
        machine.line(),
        "work",
        "goal",
        "reached"
    );
    for server in servers(peers) {
        head.push_str(&format!(" {server:>13}"));
    }
    head
}

/// One line of the table; the goal is the row's first.
pub(in super::super) fn line(row: &Row, peers: &[String]) -> String {
    let goal = row.goals.first().copied();
    let text = goal.map_or_else(String::new, |goal| match goal {
        Goal::Ratio { least, .. } => format!("≥ {least:.2}"),
        Goal::AtMost(most) => format!("≤ {most:.0} {}", row.unit),
        Goal::NotAbove(peer) => format!("≤ {peer}"),
    });
    let reached = goal.and_then(|goal| {
        row.reached(goal).map(|reached| match goal {
            Goal::Ratio { .. } => format!("{reached:.2}"),
            Goal::AtMost(_) | Goal::NotAbove(_) => format!("{reached:.1} {}", row.unit),
        })
    });
    let is_met = goal.and_then(|goal| row.is_met(goal)).unwrap_or(false);
    let mark = if is_met { " " } else { "!" };
    let reached = reached.unwrap_or_else(|| "–".to_owned());
    let mut line = format!("{:<34} {text:>9} {reached:>9} {mark}", row.work);
    for server in servers(peers) {
        let figure = row.series(server).map_or_else(
            || "–".to_owned(),
            |series| {
                format!(
                    "{:.1}/{:.1}",
                    series.figure(row.summary),
                    series.p99_ms().unwrap_or(0.0)
                )
            },
        );
        line.push_str(&format!(" {figure:>13}"));
    }
    match row.failed(OURS) {
        0 => {}
        failed => line.push_str(&format!("  {failed} of our requests failed")),
    }
    line
}

fn servers(peers: &[String]) -> impl Iterator<Item = &str> {
    std::iter::once(OURS).chain(peers.iter().map(String::as_str))
}
