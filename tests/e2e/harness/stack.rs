//! The whole stack, real and private: proxy, two web children, a worker, beat.

use super::ground::{Ground, Options, binary};
use super::process::Process;
use super::tree::{self, Running};
use super::visitor::Visitor;

/// A running stack. Dropping it kills everything it started; [`Stack::stop`] ends it in order.
pub(crate) struct Stack {
    pub(crate) proxy: Process,
    pub(crate) web: Process,
    pub(crate) worker: Process,
    pub(crate) beat: Process,
    /// `HOST:PORT` of the proxy's plain HTTP listener.
    pub(crate) authority: String,
    pub(crate) ground: Ground,
}

impl Stack {
    pub(crate) async fn start(options: Options) -> Self {
        let ground = Ground::prepare(options).await;
        ground.site(&["migrate", "up"]).await;
        let mut web = web(&ground);
        let mut worker = pool(&ground, "worker", 1, None, "worker");
        let mut beat = ground.start("beat", "site", &["beat"]);
        let mut proxy = ground.start("proxy", "kiuas-proxy", &["serve"]);
        for process in [&mut web, &mut worker, &mut beat, &mut proxy] {
            process.ready().await;
        }
        let authority = proxy.listening("http").expect("the proxy's HTTP address");
        Self {
            proxy,
            web,
            worker,
            beat,
            authority,
            ground,
        }
    }

    /// HTTPS URL of the site, without a slash at the end.
    pub(crate) fn base(&self) -> String {
        let authority = self.proxy.listening("https");
        format!("https://{}", authority.expect("the proxy's HTTPS address"))
    }

    pub(crate) fn visitor(&self) -> Visitor {
        Visitor::new(&self.authority)
    }

    /// Starts the web pool again after its end.
    pub(crate) async fn start_web(&mut self) {
        self.web = web(&self.ground);
        self.web.ready().await;
    }

    /// The living children of a pool.
    pub(crate) fn children(pool: &Process) -> Vec<Running> {
        tree::children(pool.pid())
    }

    /// Ends everything in order and asserts that nothing is left.
    pub(crate) async fn stop(mut self) {
        for process in [
            &mut self.proxy,
            &mut self.web,
            &mut self.worker,
            &mut self.beat,
        ] {
            process.stop().await;
        }
        assert_eq!(
            tree::marked(self.ground.run.mark()),
            [],
            "processes are left after an orderly stop"
        );
    }
}

fn web(ground: &Ground) -> Process {
    let address = format!("unix:{}", ground.web_socket().display());
    pool(ground, "web", 2, Some(&address), "serve")
}

fn pool(
    ground: &Ground,
    name: &str,
    processes: usize,
    listen: Option<&str>,
    command: &str,
) -> Process {
    let processes = processes.to_string();
    let site = binary("site").display().to_string();
    let mut arguments = vec!["run", "--name", name, "--processes", &processes];
    if let Some(address) = listen {
        arguments.extend(["--listen", address]);
    }
    arguments.extend(["--", &site, command]);
    ground.start(name, "kiuas-pool", &arguments)
}
