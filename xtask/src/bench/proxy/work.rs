//! What is measured, and what should be reached.

use super::super::load::Load;
use super::super::report::Goal;
use super::server::{Kind, Server};

/// Which of a server's ports.
#[derive(Debug, Clone, Copy)]
enum Port {
    Http,
    Https,
    Rsa,
}

/// Something a proxy does.
#[derive(Debug, Clone)]
pub(super) struct Work {
    pub(super) name: &'static str,
    pub(super) goal: Goal,
    pub(super) task: Task,
    port: Port,
    path: &'static str,
    /// Peers that cannot do it.
    without: &'static [Kind],
}

/// How it is measured.
#[derive(Debug, Clone)]
pub(super) enum Task {
    /// CPU time of requests.
    Requests(Load),
    /// Memory of so many idle connections.
    Idle(u32),
}

impl Work {
    pub(super) fn can(&self, kind: Kind) -> bool {
        !self.without.contains(&kind)
    }

    /// What its figures count.
    pub(super) fn unit(&self) -> &'static str {
        match self.task {
            Task::Requests(_) => "µs",
            Task::Idle(_) => "KiB",
        }
    }

    pub(super) fn is_secure(&self) -> bool {
        !matches!(self.port, Port::Http)
    }

    pub(super) fn port(&self, server: &Server) -> u16 {
        match self.port {
            Port::Http => server.http,
            Port::Https => server.https,
            Port::Rsa => server.rsa,
        }
    }

    pub(super) fn url(&self, server: &Server) -> String {
        let origin = match self.port {
            Port::Http => "http://localhost",
            Port::Https => "https://localhost",
            Port::Rsa => "https://rsa.localhost",
        };
        format!("{origin}:{}{}", self.port(server), self.path)
    }
}

const NO_CACHE: &[Kind] = &[Kind::Caddy];
const NO_LARGE_CACHE: &[Kind] = &[Kind::Caddy, Kind::HaProxy];
const NO_FILES: &[Kind] = &[Kind::HaProxy];

fn work(name: &'static str, goal: f64, port: Port, path: &'static str, load: Load) -> Work {
    let without = match path {
        "/cache/1k" => NO_CACHE,
        "/cache/64k" => NO_LARGE_CACHE,
        path if path.starts_with("/static/") => NO_FILES,
        _ => &[],
    };
    Work {
        name,
        goal: Goal::Ratio {
            peer: "nginx",
            least: goal,
        },
        task: Task::Requests(load),
        port,
        path,
        without,
    }
}

fn keep_alive(connections: u32) -> Load {
    Load::Wrk {
        connections,
        close: false,
    }
}

/// All of them.
pub(super) fn all() -> Vec<Work> {
    let closing = Load::Wrk {
        connections: 32,
        close: true,
    };
    let full = Load::Handshakes { resumed: false };
    let resumed = Load::Handshakes { resumed: true };
    let streams = |streams| Load::H2 {
        connections: 16,
        streams,
    };
    let mut works = vec![
        work(
            "proxied 1 KiB, 64 connections",
            1.15,
            Port::Http,
            "/1k",
            keep_alive(64),
        ),
        work(
            "proxied 1 KiB, 512 connections",
            1.3,
            Port::Http,
            "/1k",
            keep_alive(512),
        ),
        work(
            "proxied 1 KiB, Unix socket",
            1.25,
            Port::Http,
            "/unix/1k",
            keep_alive(64),
        ),
        work("proxied 64 KiB", 1.0, Port::Http, "/64k", keep_alive(64)),
        work(
            "cache hit 1 KiB",
            2.0,
            Port::Http,
            "/cache/1k",
            keep_alive(64),
        ),
        work(
            "cache hit 64 KiB",
            1.6,
            Port::Http,
            "/cache/64k",
            keep_alive(64),
        ),
        work(
            "static 1 KiB",
            1.35,
            Port::Http,
            "/static/1k.txt",
            keep_alive(64),
        ),
        work(
            "static 64 KiB",
            1.2,
            Port::Http,
            "/static/64k.txt",
            keep_alive(64),
        ),
        work(
            "static 1 MiB",
            1.5,
            Port::Http,
            "/static/1m.txt",
            keep_alive(32),
        ),
        work("TLS 1 KiB", 1.35, Port::Https, "/1k", keep_alive(64)),
        work("TLS 64 KiB", 1.6, Port::Https, "/64k", keep_alive(64)),
        work(
            "new TLS connections, full",
            1.9,
            Port::Https,
            "/1k",
            full.clone(),
        ),
        work(
            "new TLS connections, resumed",
            1.75,
            Port::Https,
            "/1k",
            resumed,
        ),
        work("new TLS connections, RSA", 1.4, Port::Rsa, "/1k", full),
        work("HTTP/2 proxied 1 KiB", 1.5, Port::Https, "/1k", streams(16)),
        work(
            "HTTP/2 cached 1 KiB",
            2.2,
            Port::Https,
            "/cache/1k",
            streams(16),
        ),
        work(
            "HTTP/2 static 64 KiB",
            2.0,
            Port::Https,
            "/static/64k.txt",
            streams(8),
        ),
        work("new TCP connections", 0.95, Port::Http, "/1k", closing),
    ];
    for (name, goal, port) in [
        ("idle connections, plain", 4.0, Port::Http),
        ("idle connections, TLS", 15.0, Port::Https),
    ] {
        works.push(Work {
            name,
            goal: Goal::AtMost(goal),
            task: Task::Idle(3000),
            port,
            path: "/1k",
            without: &[],
        });
    }
    works
}
