//! The things that can be missing, how each is recognised, and where Debian has it.

use crate::process::find;
use crate::services::{Binaries, RabbitMq};

/// Something that Debian can provide.
#[derive(Debug)]
pub(crate) struct Need {
    /// What a person calls it.
    pub(crate) name: &'static str,
    /// Debian's packages.
    pub(crate) packages: &'static [&'static str],
    /// Units that these packages enable, which a development machine did not ask for.
    pub(crate) units: &'static [&'static str],
    met: fn() -> bool,
}

impl Need {
    /// True when it is there already.
    pub(crate) fn is_met(&self) -> bool {
        (self.met)()
    }
}

/// The database.
pub(crate) const POSTGRES: Need = Need {
    name: "PostgreSQL",
    packages: &["postgresql"],
    units: &["postgresql.service"],
    met: || Binaries::newest().is_ok(),
};

/// Sessions, cache and the task queue.
pub(crate) const REDIS: Need = Need {
    name: "Redis",
    packages: &["redis-server"],
    units: &["redis-server.service"],
    met: || find("redis-server").is_some(),
};

/// The other broker of the task queue.
pub(crate) const RABBITMQ: Need = Need {
    name: "RabbitMQ",
    packages: &["rabbitmq-server"],
    units: &["rabbitmq-server.service", "epmd.service", "epmd.socket"],
    met: RabbitMq::is_installed,
};

/// What drives the site in the end-to-end tests.
pub(crate) const BROWSER: Need = Need {
    name: "Chromium",
    packages: &["chromium", "chromium-driver"],
    units: &[],
    met: || find("chromium").is_some() && find("chromedriver").is_some(),
};

/// What the test of the development containers needs.
pub(crate) const COMPOSE: Need = Need {
    name: "Docker",
    packages: &["docker.io", "docker-compose"],
    units: &["docker.service", "docker.socket", "containerd.service"],
    met: || find("dockerd").is_some() && find("docker-compose").is_some(),
};

/// What the test against a real Celery makes its virtual environment with.
pub(crate) const CELERY: Need = Need {
    name: "Python",
    packages: &["python3", "python3-venv"],
    units: &[],
    met: || {
        std::process::Command::new("python3")
            .args(["-c", "import venv, ensurepip"])
            .output()
            .is_ok_and(|output| output.status.success())
    },
};

/// The authority that the proxy's certificates are ordered from in tests.
pub(crate) const PEBBLE: Need = Need {
    name: "pebble",
    packages: &["pebble"],
    units: &[],
    met: || find("pebble").is_some() && find("pebble-challtestsrv").is_some(),
};

/// The visitor of the smoke test, who checks certificates and speaks HTTP/2.
pub(crate) const CURL: Need = Need {
    name: "curl",
    packages: &["curl"],
    units: &[],
    met: || find("curl").is_some(),
};

/// What the proxy's answers for files are compared with.
pub(crate) const NGINX: Need = Need {
    name: "nginx",
    packages: &["nginx"],
    units: &["nginx.service"],
    met: || find("nginx").is_some() || std::path::Path::new("/usr/sbin/nginx").exists(),
};

/// What makes the base of the stand-in images.
pub(crate) const MMDEBSTRAP: Need = Need {
    name: "mmdebstrap",
    packages: &["mmdebstrap"],
    units: &[],
    met: || find("mmdebstrap").is_some(),
};

/// What measurements of the proxy are made with; HAProxy and Caddy are welcome and not needed.
pub(crate) const BENCH: Need = Need {
    name: "nginx, wrk, h2load and openssl",
    packages: &["nginx", "wrk", "nghttp2-client", "openssl", "util-linux"],
    units: &["nginx.service"],
    met: || {
        ["nginx", "wrk", "h2load", "openssl", "taskset"]
            .iter()
            .all(|program| find(program).is_some())
    },
};

/// What measurements of the pool are made with.
pub(crate) const WRK: Need = Need {
    name: "wrk",
    packages: &["wrk", "util-linux"],
    units: &[],
    met: || find("wrk").is_some() && find("taskset").is_some(),
};
