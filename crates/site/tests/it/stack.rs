//! A running site: database, Redis, migrated, served on a port of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kiuas::queue::{Queue, QueueSettings};
use kiuas_common::postgres::Postgres;
use kiuas_common::testing::{TestDatabase, TestRedis};

use crate::visitor::Visitor;

const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(25);

/// A process of the site; ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

pub(crate) struct Stack {
    /// First, so that they end before what they use.
    processes: Vec<Running>,
    pub(crate) address: SocketAddr,
    pub(crate) postgres: Postgres,
    pub(crate) database: TestDatabase,
    pub(crate) redis: TestRedis,
    directory: tempfile::TempDir,
    environment: &'static str,
}

impl Stack {
    /// The web server alone.
    pub(crate) async fn start() -> Self {
        Self::start_in("testing").await
    }

    /// The web server alone, in `environment`.
    pub(crate) async fn start_in(environment: &'static str) -> Self {
        let database = TestDatabase::create().await;
        let mut stack = Self {
            address: ([127, 0, 0, 1], 0).into(),
            postgres: database.open(),
            database,
            redis: TestRedis::start(),
            directory: tempfile::tempdir().expect("directory"),
            environment,
            processes: Vec::new(),
        };
        let migrated = stack.command(&["migrate", "up"]).status().expect("site");
        assert!(
            migrated.success(),
            "`site migrate up` ended with {migrated}"
        );
        stack.serve();
        stack
    }

    /// With a worker.
    pub(crate) async fn start_with_worker() -> Self {
        let mut stack = Self::start().await;
        stack.spawn(&["worker"]);
        stack
    }

    /// With a worker and beat.
    pub(crate) async fn start_all() -> Self {
        let mut stack = Self::start_with_worker().await;
        stack.spawn(&["beat"]);
        stack
    }

    /// A command of the site with everything set for this stack.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
        let mut command = Command::new(env!("CARGO_BIN_EXE_site"));
        command
            .args(arguments)
            .env("KIUAS_ENV", self.environment)
            .env("KIUAS_CONFIG", config)
            .env("KIUAS__POSTGRES__URL", self.database.url())
            .env("KIUAS__REDIS__URL", self.redis.settings().url)
            .env("KIUAS__REDIS__CACHE_DB", "14")
            .env("KIUAS__REDIS__QUEUE_DB", "15")
            .env("KIUAS__MAIL__TRANSPORT", "file")
            .env("KIUAS__MAIL__DIRECTORY", self.mail_directory())
            .env("KIUAS__WEB__LISTEN", "127.0.0.1:0")
            .env(
                "KIUAS__WEB__SECRET_KEY",
                "a key for tests that is long enough for servers",
            )
            .env("KIUAS__APP__BASE_URL", "https://polls.example.org")
            .env("KIUAS__TELEMETRY__LEVEL", "warn")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn mail_directory(&self) -> std::path::PathBuf {
        self.directory.path().join("mail")
    }

    /// Somebody with a browser and no cookies.
    pub(crate) fn visitor(&self) -> Visitor {
        Visitor::new(self.address)
    }

    /// Somebody who has signed up.
    pub(crate) async fn author(&self, name: &str) -> Visitor {
        let mut visitor = self.visitor();
        let email = format!("{name}@example.org");
        let fields = [
            ("name", name),
            ("email", &email),
            ("password", "correct horse"),
        ];
        let page = visitor.submit("/sign-up", "/sign-up", &fields).await;
        assert_eq!(page.status, 303, "{}", page.text);
        visitor
    }

    pub(crate) fn queue(&self) -> Queue {
        Queue::open(self.redis.queue(), QueueSettings::default()).expect("a queue")
    }

    /// The one value of `text`.
    pub(crate) async fn count(&self, text: &str) -> i64 {
        let connection = self.postgres.get().await.expect("connection");
        connection.query_one(text, &[]).await.expect("row").get(0)
    }

    pub(crate) async fn execute(&self, text: &str) {
        let connection = self.postgres.get().await.expect("connection");
        connection.batch_execute(text).await.expect("statement");
    }

    fn serve(&mut self) {
        let mut command = self.command(&["serve"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("site");
        let lines = BufReader::new(child.stdout.take().expect("output"));
        self.processes.push(Running(child));
        let mut lines = lines.lines().map(|line| line.expect("line"));
        let address = lines
            .by_ref()
            .find_map(|line| line.strip_prefix("listening web ").map(str::to_owned));
        self.address = address.expect("`listening web`").parse().expect("address");
        // Nobody may block on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
    }

    fn spawn(&mut self, arguments: &[&str]) {
        let mut command = self.command(arguments);
        let child = command.stdout(Stdio::null()).spawn().expect("site");
        self.processes.push(Running(child));
    }
}

/// Asks again until there is an answer.
pub(crate) async fn wait_for<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begin.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
