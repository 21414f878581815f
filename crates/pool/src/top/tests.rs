use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent};

use super::app::{App, Do, Line};
use super::draw::draw;
use crate::chronicle::Event;
use crate::control::Request;
use crate::overview::{Overview, Process, Queue, Running};
use crate::watch::verdict::Verdict;

fn process(pid: i32, seat: usize, state: &str) -> Process {
    Process {
        pid,
        seat,
        generation: 3,
        state: state.to_owned(),
        has_board: true,
        requests: 412,
        max_requests: Some(500),
        resident: 12 << 20,
        memory_limit: Some(24 << 20),
        busy: 0.5,
        ..Process::default()
    }
}

fn overview() -> Overview {
    Overview {
        name: "web".to_owned(),
        target: 2,
        generation: 3,
        rolling: Some(4),
        rate: 12.5,
        queues: vec![Queue {
            name: "web".to_owned(),
            waiting: Some(7),
            limit: Some(4096),
            highest: 30,
            ..Queue::default()
        }],
        processes: vec![
            process(101, 0, "ready"),
            Process {
                stuck: Some(Verdict::BusyLoop),
                rate: 9.0,
                ..process(102, 1, "stuck")
            },
        ],
        running: vec![Running {
            pid: 102,
            label: "GET /spin".to_owned(),
            id: "abc".to_owned(),
            age: 12_400,
            silent: true,
            polled: Some(12_400),
            ..Running::default()
        }],
        in_flight: 1,
        events: vec![Event {
            at: 1,
            text: "process 99 ended".to_owned(),
        }],
        ..Overview::default()
    }
}

fn screen(app: &App) -> String {
    let mut terminal = Terminal::new(TestBackend::new(180, 30)).unwrap();
    terminal.draw(|frame| draw(frame, app)).unwrap();
    terminal.backend().to_string()
}

fn press(app: &mut App, keys: &str) -> Option<Do> {
    keys.chars()
        .map(|c| app.key(KeyEvent::from(KeyCode::Char(c))))
        .last()
        .flatten()
}

#[test]
fn processes_requests_queues_and_events_are_on_the_screen() {
    let screen = screen(&App::new(overview()));
    for text in [
        "web: 1 of 2 ready, generation 3",
        "rolling to 4",
        "7 of 4096 wait, 30 at most",
        "412/500",
        "stuck on a busy loop",
        "12.0 MiB",
        "GET /spin",
        "12.4s",
        "process 99 ended",
    ] {
        assert!(screen.contains(text), "`{text}` is missing:\n{screen}");
    }
}

#[test]
fn what_ends_something_is_asked_for_twice() {
    let mut app = App::new(overview());
    app.key(KeyEvent::from(KeyCode::Down));
    assert_eq!(press(&mut app, "k"), None);
    assert!(screen(&app).contains("kill process 102"));
    assert_eq!(press(&mut app, "n"), None);
    assert_eq!(
        press(&mut app, "ky"),
        Some(Do::Ask(Request::Kill { pid: 102 }))
    );
    assert_eq!(
        press(&mut app, "dy"),
        Some(Do::Ask(Request::Terminate { pid: 102 }))
    );
    assert_eq!(
        press(&mut app, "ry"),
        Some(Do::Ask(Request::Roll { program: None }))
    );
    assert_eq!(
        press(&mut app, "-y"),
        Some(Do::Ask(Request::Remove { count: 1 }))
    );
    assert_eq!(
        press(&mut app, "uy"),
        Some(Do::Ask(Request::Upgrade { program: None }))
    );
}

#[test]
fn what_ends_nothing_is_done_at_once() {
    let mut app = App::new(overview());
    assert_eq!(
        press(&mut app, "+"),
        Some(Do::Ask(Request::Add { count: 1 }))
    );
    assert_eq!(press(&mut app, "b"), Some(Do::Ask(Request::Dump {})));
    assert_eq!(
        press(&mut app, "p"),
        Some(Do::Ask(Request::Pause { pid: None }))
    );
    assert_eq!(press(&mut app, "e"), Some(Do::Export));
    assert_eq!(press(&mut app, "q"), Some(Do::Quit));
}

#[test]
fn the_filter_hides_what_does_not_fit_and_takes_every_letter() {
    let mut app = App::new(overview());
    press(&mut app, "/queue");
    assert_eq!(app.line, Line::Filter);
    assert!(!screen(&app).contains("GET /spin"));
    app.key(KeyEvent::from(KeyCode::Esc));
    assert!(screen(&app).contains("GET /spin"));
}

#[test]
fn the_order_follows_the_key_and_the_selection_its_process() {
    let mut app = App::new(overview());
    assert_eq!(app.processes()[0].pid, 101);
    assert_eq!(app.selected_row(), Some(0));
    press(&mut app, "s");
    assert_eq!(app.processes()[0].pid, 102);
    assert_eq!(app.selected_row(), Some(1));
}

#[test]
fn a_pool_that_is_gone_leaves_its_last_reading_and_says_so() {
    let mut app = App::new(overview());
    app.update(Err("no pool answers".to_owned()));
    let screen = screen(&app);
    assert!(
        screen.contains("no pool answers") && screen.contains("412/500"),
        "{screen}"
    );
}

#[test]
fn dumps_cover_the_screen_until_a_key_is_pressed() {
    let mut app = App::new(overview());
    app.answered(&Request::Dump {}, Ok("process 101, seat 0".to_owned()));
    assert!(screen(&app).contains("process 101, seat 0"));
    press(&mut app, "x");
    assert!(!screen(&app).contains("process 101, seat 0"));
    app.answered(&Request::Add { count: 1 }, Err("it ends".to_owned()));
    assert!(screen(&app).contains("not done: it ends"));
}

#[test]
fn small_terminals_are_no_reason_to_panic() {
    let app = App::new(overview());
    for (width, height) in [(1, 1), (20, 5), (80, 8)] {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, &app)).unwrap();
    }
}
