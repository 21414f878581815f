//! Draws the screen of `ctl top`.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line as Text, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Row, Sparkline, Table, TableState};

use super::app::{App, Line};
use crate::overview::text::age;
use crate::overview::{Process, Running};
use crate::watch::words::bytes;

/// The events at the bottom.
const EVENTS: u16 = 6;
/// The rates at the right of the header.
const GRAPH: u16 = 40;
const KEYS: &str = "q quit  r roll  u upgrade  + - children  d drain  k kill  p pause  b stacks  / filter  s sort  e export";

pub(super) fn draw(frame: &mut Frame<'_>, app: &App) {
    if let Some((text, scroll)) = &app.dump {
        let block = Block::bordered().title(" what runs: any key but the arrows goes back ");
        let text = Paragraph::new(text.as_str())
            .scroll((*scroll, 0))
            .block(block);
        frame.render_widget(text, frame.area());
        return;
    }
    let overview = app.overview();
    let header = u16::try_from(overview.queues.len())
        .unwrap_or(u16::MAX)
        .min(4)
        + 2;
    let rows = u16::try_from(overview.processes.len()).unwrap_or(u16::MAX);
    let layout = Layout::vertical([
        Constraint::Length(header),
        Constraint::Length(rows.saturating_add(2).min(frame.area().height / 2)),
        Constraint::Min(3),
        Constraint::Length(EVENTS),
        Constraint::Length(1),
    ]);
    let [top, processes, running, events, bottom] = layout.areas(frame.area());
    draw_header(frame, top, app);
    draw_processes(frame, processes, app);
    draw_running(frame, running, app);
    draw_events(frame, events, app);
    frame.render_widget(bottom_line(app), bottom);
}

fn draw_header(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let [left, right] =
        Layout::horizontal([Constraint::Min(40), Constraint::Length(GRAPH)]).areas(area);
    let overview = app.overview();
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut lines = match &app.lost {
        Some(problem) => vec![Text::styled(problem.clone(), Style::new().fg(Color::Red))],
        None => vec![Text::styled(overview.headline(), bold)],
    };
    lines.push(Text::raw(overview.figures()));
    for queue in &overview.queues {
        let is_high = queue.waiting > Some(0);
        let style = if is_high {
            Style::new().fg(Color::Yellow)
        } else {
            Style::new()
        };
        lines.push(Text::styled(queue.to_string(), style));
    }
    frame.render_widget(Paragraph::new(lines), left);
    let shown = app.rates.len().saturating_sub(usize::from(GRAPH));
    let rates: Vec<u64> = app.rates.iter().skip(shown).copied().collect();
    let graph = Sparkline::default()
        .data(&rates)
        .style(Style::new().fg(Color::Green));
    frame.render_widget(graph, right);
}

fn draw_processes(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let headings = [
        "seat",
        "pid",
        "gen",
        "state",
        "age",
        "requests",
        "/s",
        "flying",
        "conns",
        "busy",
        "memory",
        "cpu",
        "average",
        "silent",
        "why it ends",
    ];
    let widths = [4, 7, 4, 8, 8, 11, 7, 6, 6, 10, 18, 5, 8, 7].map(Constraint::Length);
    let widths = widths.into_iter().chain([Constraint::Min(10)]);
    let rows: Vec<Row<'_>> = app.processes().into_iter().map(process).collect();
    let title = format!(" processes by {} ", app.sort.name());
    let table = Table::new(rows, widths)
        .header(Row::new(headings).style(Style::new().add_modifier(Modifier::REVERSED)))
        .row_highlight_style(Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED))
        .block(Block::new().borders(Borders::TOP).title(title));
    let mut state = TableState::new().with_selected(app.selected_row());
    frame.render_stateful_widget(table, area, &mut state);
}

fn process(process: &Process) -> Row<'_> {
    let color = match process.state.as_str() {
        "stuck" | "killed" => Color::Red,
        "draining" => Color::Yellow,
        "starting" => Color::Cyan,
        "paused" => Color::Blue,
        _ => Color::Reset,
    };
    let silent = if process.silence > 1000 {
        age(process.silence)
    } else {
        "-".to_owned()
    };
    let cells = [
        process.seat.to_string(),
        process.pid.to_string(),
        process.generation.to_string(),
        process.state.clone(),
        age(process.age),
        process.progress(),
        format!("{:.1}", process.rate),
        process.in_flight.to_string(),
        process.connections.to_string(),
        format!("{} {:3.0}%", bar(process.busy), process.busy * 100.0),
        memory(process),
        format!("{:.0}%", process.cpu_share * 100.0),
        process.average(),
        silent,
        why(process),
    ];
    Row::new(cells).style(Style::new().fg(color))
}

fn why(process: &Process) -> String {
    match (&process.stuck, &process.cause) {
        (Some(verdict), _) => format!("stuck on {}", verdict.in_words()),
        (None, Some(cause)) => cause.clone(),
        (None, None) => match &process.last_end {
            Some(end) => format!("(before it: {end})"),
            None => String::new(),
        },
    }
}

fn memory(process: &Process) -> String {
    let size = bytes(process.resident);
    match process.memory_limit {
        Some(limit) if limit > 0 => {
            #[expect(clippy::cast_precision_loss, reason = "the length of a bar")]
            let share = process.resident as f64 / limit as f64;
            format!("{} {size}", bar(share))
        }
        _ => size,
    }
}

/// Four cells, filled by eighths.
fn bar(share: f64) -> String {
    const CELLS: u8 = 4;
    const EIGHTHS: [char; 9] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 32"
    )]
    let filled = (share.clamp(0.0, 1.0) * f64::from(CELLS) * 8.0).round() as u8;
    (0..CELLS)
        .map(|cell| {
            let eighths = filled.saturating_sub(cell * 8).min(8);
            EIGHTHS[usize::from(eighths)]
        })
        .collect()
}

fn draw_running(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let widths = [9, 7, 9, 10].map(Constraint::Length);
    let widths = widths
        .into_iter()
        .chain([Constraint::Min(20), Constraint::Length(36)]);
    let running = app.running();
    let title = match app.filter.as_str() {
        "" => format!(" {} under way, the oldest first ", app.overview().in_flight),
        filter => format!(" {} under way with `{filter}` ", running.len()),
    };
    let rows = running.into_iter().map(request);
    let table = Table::new(rows, widths)
        .header(
            Row::new(["age", "pid", "thread", "kind", "what", "id"])
                .style(Style::new().add_modifier(Modifier::REVERSED)),
        )
        .block(Block::new().borders(Borders::TOP).title(title));
    frame.render_widget(table, area);
}

fn request(running: &Running) -> Row<'_> {
    let style = match running.polled {
        Some(_) if running.silent => Style::new().fg(Color::Red),
        _ if running.silent => Style::new().fg(Color::Yellow),
        _ => Style::new(),
    };
    let thread = running
        .tid
        .map_or_else(|| "-".to_owned(), |tid| tid.to_string());
    let cells = [
        age(running.age),
        running.pid.to_string(),
        thread,
        running.kind.clone(),
        running.label.clone(),
        running.id.clone(),
    ];
    Row::new(cells).style(style)
}

fn draw_events(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let now = crate::chronicle::unix_time();
    let fits = usize::from(area.height.saturating_sub(1));
    let events = app.overview().events.iter().rev().take(fits);
    let lines: Vec<Text<'_>> = events
        .map(|event| {
            let ago = age(now.saturating_sub(event.at).saturating_mul(1000));
            Text::from(vec![
                Span::styled(format!("{ago:>8} ago  "), Style::new().fg(Color::DarkGray)),
                Span::raw(event.text.as_str()),
            ])
        })
        .collect();
    let block = Block::new().borders(Borders::TOP).title(" events ");
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn bottom_line(app: &App) -> Paragraph<'_> {
    let strong = Style::new().fg(Color::Black).bg(Color::Yellow);
    match &app.line {
        Line::Keys => Paragraph::new(KEYS).style(Style::new().fg(Color::DarkGray)),
        Line::Said(text) => Paragraph::new(text.as_str()),
        Line::Filter => Paragraph::new(format!("filter: {}_", app.filter)),
        Line::Confirm(_, what) => Paragraph::new(format!("{what}? y/n")).style(strong),
    }
}
