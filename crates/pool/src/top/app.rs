//! What `ctl top` shows and what its keys do, without terminal and socket.

use std::collections::VecDeque;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::control::Request;
use crate::overview::{Overview, Process, Running};

/// Rates that the graph shows.
const MOST_RATES: usize = 240;

/// What the terminal's owner is to do for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Do {
    Quit,
    Export,
    Ask(Request),
}

/// By what the processes are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Seat,
    Rate,
    Memory,
    Busy,
    InFlight,
}

impl Sort {
    fn next(self) -> Self {
        match self {
            Self::Seat => Self::Rate,
            Self::Rate => Self::Memory,
            Self::Memory => Self::Busy,
            Self::Busy => Self::InFlight,
            Self::InFlight => Self::Seat,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Seat => "seat",
            Self::Rate => "rate",
            Self::Memory => "memory",
            Self::Busy => "busy",
            Self::InFlight => "in flight",
        }
    }
}

/// The line at the bottom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// What the keys do.
    Keys,
    /// What came of the last order.
    Said(String),
    /// The filter is being typed.
    Filter,
    /// This will be asked if `y` is pressed.
    Confirm(Request, String),
}

/// The screen's contents.
#[derive(Debug)]
pub(super) struct App {
    overview: Overview,
    /// Why the last refresh failed.
    pub(super) lost: Option<String>,
    /// The process that keys act on.
    selected: Option<i32>,
    pub(super) sort: Sort,
    pub(super) filter: String,
    pub(super) line: Line,
    /// A dump that covers the screen, and how far it is scrolled.
    pub(super) dump: Option<(String, u16)>,
    pub(super) rates: VecDeque<u64>,
}

impl App {
    pub(super) fn new(overview: Overview) -> Self {
        let mut app = Self {
            overview: Overview::default(),
            lost: None,
            selected: None,
            sort: Sort::Seat,
            filter: String::new(),
            line: Line::Keys,
            dump: None,
            rates: VecDeque::new(),
        };
        app.update(Ok(overview));
        app
    }

    pub(super) fn overview(&self) -> &Overview {
        &self.overview
    }

    /// A new reading, or why there is none.
    pub(super) fn update(&mut self, news: Result<Overview, String>) {
        match news {
            Ok(overview) => {
                self.lost = None;
                if self.rates.len() >= MOST_RATES {
                    self.rates.pop_front();
                }
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "the height of a bar; the cast saturates"
                )]
                self.rates.push_back(overview.rate.max(0.0) as u64);
                self.overview = overview;
            }
            Err(problem) => self.lost = Some(problem),
        }
        let pids: Vec<i32> = self.processes().iter().map(|process| process.pid).collect();
        if self.selected.is_none_or(|pid| !pids.contains(&pid)) {
            self.selected = pids.first().copied();
        }
    }

    /// Something to tell.
    pub(super) fn say(&mut self, text: String) {
        self.line = Line::Said(text);
    }

    /// What came of an order.
    pub(super) fn answered(&mut self, request: &Request, answer: Result<String, String>) {
        match (request, answer) {
            (Request::Dump {}, Ok(text)) => self.dump = Some((text, 0)),
            (_, Ok(text)) => self.say(text.trim_end().to_owned()),
            (_, Err(problem)) => self.say(format!("not done: {problem}")),
        }
    }

    /// The processes as they are shown.
    pub(super) fn processes(&self) -> Vec<&Process> {
        let mut all: Vec<&Process> = self.overview.processes.iter().collect();
        let by = |of: fn(&Process) -> f64| {
            move |a: &&Process, b: &&Process| of(b).total_cmp(&of(a)).then(a.seat.cmp(&b.seat))
        };
        #[expect(clippy::cast_precision_loss, reason = "an order, not a figure")]
        match self.sort {
            Sort::Seat => all.sort_by_key(|process| (process.seat, process.pid)),
            Sort::Rate => all.sort_by(by(|it| it.rate)),
            Sort::Memory => all.sort_by(by(|it| it.resident as f64)),
            Sort::Busy => all.sort_by(by(|it| it.busy)),
            Sort::InFlight => all.sort_by(by(|it| it.in_flight as f64)),
        }
        all
    }

    /// What runs and fits the filter.
    pub(super) fn running(&self) -> Vec<&Running> {
        let fits = |one: &&Running| {
            [&one.label, &one.id, &one.trace_id]
                .iter()
                .any(|text| text.contains(&self.filter))
        };
        self.overview.running.iter().filter(fits).collect()
    }

    /// Where the selected process is in [`App::processes`].
    pub(super) fn selected_row(&self) -> Option<usize> {
        self.processes()
            .iter()
            .position(|process| Some(process.pid) == self.selected)
    }

    /// A key was pressed.
    pub(super) fn key(&mut self, key: KeyEvent) -> Option<Do> {
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return Some(Do::Quit);
        }
        if let Some((_, scroll)) = &mut self.dump {
            match key.code {
                KeyCode::Down | KeyCode::Char('j') => *scroll = scroll.saturating_add(1),
                KeyCode::Up => *scroll = scroll.saturating_sub(1),
                KeyCode::PageDown | KeyCode::Char(' ') => *scroll = scroll.saturating_add(20),
                KeyCode::PageUp => *scroll = scroll.saturating_sub(20),
                _ => self.dump = None,
            }
            return None;
        }
        match std::mem::replace(&mut self.line, Line::Keys) {
            Line::Filter => self.type_filter(key.code),
            Line::Confirm(request, _) if key.code == KeyCode::Char('y') => {
                return Some(Do::Ask(request));
            }
            Line::Confirm(..) => self.say("not done".to_owned()),
            Line::Keys | Line::Said(_) => return self.command(key.code),
        }
        None
    }

    fn type_filter(&mut self, key: KeyCode) {
        self.line = Line::Filter;
        match key {
            KeyCode::Char(c) => self.filter.push(c),
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Esc => {
                self.filter.clear();
                self.line = Line::Keys;
            }
            KeyCode::Enter => self.line = Line::Keys,
            _ => {}
        }
    }

    fn command(&mut self, key: KeyCode) -> Option<Do> {
        match key {
            KeyCode::Char('q') | KeyCode::Esc => return Some(Do::Quit),
            KeyCode::Char('e') => return Some(Do::Export),
            KeyCode::Char('+') => return Some(Do::Ask(Request::Add { count: 1 })),
            KeyCode::Char('b') => return Some(Do::Ask(Request::Dump {})),
            KeyCode::Char('p') => return Some(Do::Ask(self.pause())),
            KeyCode::Char('/') => self.line = Line::Filter,
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Down | KeyCode::Char('j') => self.select(1),
            KeyCode::Up => self.select(-1),
            KeyCode::Char('r') => {
                self.confirm(Request::Roll { program: None }, "replace every child");
            }
            KeyCode::Char('u') => {
                self.confirm(
                    Request::Upgrade { program: None },
                    "replace the pool's program",
                );
            }
            KeyCode::Char('-') => {
                self.confirm(Request::Remove { count: 1 }, "keep one child fewer");
            }
            KeyCode::Char('d') => {
                self.with_selected("ask", "to finish", |pid| Request::Terminate { pid })
            }
            KeyCode::Char('k') => {
                self.with_selected("kill", "with all that it does", |pid| Request::Kill { pid })
            }
            _ => {}
        }
        None
    }

    fn pause(&self) -> Request {
        if self.overview.paused {
            Request::Resume { pid: None }
        } else {
            Request::Pause { pid: None }
        }
    }

    fn with_selected(&mut self, verb: &str, how: &str, request: fn(i32) -> Request) {
        match self.selected {
            Some(pid) => self.confirm(request(pid), &format!("{verb} process {pid} {how}")),
            None => self.say("no process is selected".to_owned()),
        }
    }

    fn confirm(&mut self, request: Request, what: &str) {
        self.line = Line::Confirm(request, what.to_owned());
    }

    fn select(&mut self, step: isize) {
        let pids: Vec<i32> = self.processes().iter().map(|process| process.pid).collect();
        let row = self.selected_row().unwrap_or(0).saturating_add_signed(step);
        self.selected = pids.get(row).or(pids.last()).copied();
    }
}
