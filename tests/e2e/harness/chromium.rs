//! Headless Chromium, driven through chromedriver.

use std::fs;

use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;

use super::eventually::{PATIENCE, eventually};
use super::process::{Process, Start};
use super::run::RunDirectory;

/// Quiet and without any connection of its own: a test talks to the stack and to nobody else.
const ARGUMENTS: &[&str] = &[
    "--headless=new",
    // The tests run as root in containers, where Chromium's sandbox cannot.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1000,1200",
];

/// A chromedriver; each window that it opens is a browser with a profile of its own.
pub(crate) struct Driver {
    _process: Process,
    address: String,
    run: RunDirectory,
}

/// A browser with its name in screenshots.
pub(crate) struct Browser {
    pub(crate) name: &'static str,
    pub(crate) page: Client,
}

impl Driver {
    pub(crate) async fn start() -> Self {
        let run = RunDirectory::create();
        let process = Start::new("chromedriver", "chromedriver")
            .args(["--port=0"])
            // Chromium keeps its crash reports and caches under the home directory.
            .env("HOME", run.path())
            .spawn(&run);
        let output = run.join("chromedriver.out");
        let port = eventually("chromedriver to start", PATIENCE, async || {
            let text = fs::read_to_string(&output).ok()?;
            let (_, rest) = text.split_once("started successfully on port ")?;
            rest.split('.').next()?.parse::<u16>().ok()
        })
        .await;
        Self {
            _process: process,
            address: format!("http://127.0.0.1:{port}"),
            run,
        }
    }

    /// Opens a browser that has never visited anything.
    pub(crate) async fn open(&self, name: &'static str) -> Browser {
        let profile = format!("--user-data-dir={}", self.run.join(name).display());
        let arguments: Vec<&str> = ARGUMENTS.iter().copied().chain([&*profile]).collect();
        let mut capabilities = Capabilities::new();
        capabilities.insert("goog:chromeOptions".to_owned(), json!({"args": arguments}));
        // The development stack's certificate comes from its own local authority.
        capabilities.insert("acceptInsecureCerts".to_owned(), json!(true));
        let page = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&self.address)
            .await
            .expect("a browser session");
        Browser { name, page }
    }

    /// Saves what a browser shows beside the logs.
    pub(crate) async fn keep(&self, browser: &Browser) {
        if let Ok(image) = browser.page.screenshot().await {
            drop(fs::write(
                self.run.join(&format!("{}.png", browser.name)),
                image,
            ));
        }
        if let Ok(source) = browser.page.source().await {
            drop(fs::write(
                self.run.join(&format!("{}.html", browser.name)),
                source,
            ));
        }
    }
}
