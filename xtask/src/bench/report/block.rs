//! A block a work: for works that are each about something else, beside many peers.

use super::{Goal, OURS, Row, Series, Summary};

/// The work, what every server did, and whether the goals are met.
pub(in super::super) fn block(row: &Row) -> String {
    let summary = match row.summary {
        Summary::Median => "median",
        Summary::Sum => "sum",
        Summary::Maximum => "worst",
    };
    let mut block = format!("\n{}  ({}, {summary})\n ", row.work, row.unit);
    for series in &row.series {
        block.push_str(&format!("  {}", figure(row, series)));
    }
    for goal in &row.goals {
        block.push_str(&format!("\n    {}", verdict(row, *goal)));
    }
    match row.failed(OURS) {
        0 => {}
        failed => block.push_str(&format!("\n    {failed} of our requests failed")),
    }
    block
}

fn figure(row: &Row, series: &Series) -> String {
    let figure = number(series.figure(row.summary));
    match series.p99_ms() {
        Some(p99) => format!("{} {figure} (p99 {} ms)", series.server, number(p99)),
        None => format!("{} {figure}", series.server),
    }
}

fn verdict(row: &Row, goal: Goal) -> String {
    let asked = match goal {
        Goal::Ratio { peer, least } => {
            format!("{peer} needs at least {} times ours", number(least))
        }
        Goal::AtMost(most) => format!("at most {}", number(most)),
        Goal::NotAbove(peer) => format!("not above {peer}"),
    };
    let Some(reached) = row.reached(goal) else {
        return format!("{asked}: not measured");
    };
    let reached = number(reached);
    match row.is_met(goal) {
        Some(true) => format!("{asked}: {reached}, met"),
        Some(false) => format!("{asked}: {reached}, MISSED"),
        None => format!("{asked}: {reached}, the peer was not measured"),
    }
}

/// With the digits that mean something.
fn number(value: f64) -> String {
    if value != 0.0 && value.abs() < 10.0 && value.fract() != 0.0 {
        format!("{value:.2}")
    } else if value.fract() != 0.0 && value.abs() < 1000.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}
