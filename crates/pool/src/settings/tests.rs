use super::*;

fn pool(text: &str) -> PoolSettings {
    toml::from_str(text).expect("settings")
}

fn problem(text: &str) -> String {
    pool(text)
        .validate("web")
        .expect_err("must not pass")
        .to_string()
}

#[test]
fn a_command_is_all_that_is_needed() {
    let settings = pool("command = ['site', 'serve']");
    settings.validate("web").expect("valid");
    assert_eq!(settings.processes, 2);
    assert_eq!(settings.drain_timeout, Period::seconds(35));
}

#[test]
fn senseless_values_name_their_key() {
    assert_eq!(
        problem("command = ['a']\nprocesses = 0"),
        "`pool.web.processes`: must be 1 to 1024"
    );
    assert_eq!(
        problem("command = ['a']\ndrain_timeout = '0s'"),
        "`pool.web.drain_timeout`: must not be zero"
    );
    assert_eq!(
        problem("command = ['a']\nbackoff_min = '1m'"),
        "`pool.web.backoff_max`: must not be shorter than backoff_min, 1m"
    );
    assert_eq!(
        problem("command = ['a']\nready_after = '1m'"),
        "`pool.web.ready_after`: must be shorter than start_timeout, 1m"
    );
}

#[test]
fn an_empty_command_is_no_command() {
    assert!(problem("").contains("no command"));
    assert!(problem("command = ['']").contains("no command"));
}

#[test]
fn a_name_must_survive_in_a_list_separated_by_colons() {
    let settings = pool("command = ['a']");
    for name in ["", "a:b", "a b", &"x".repeat(65)] {
        assert!(settings.validate(name).is_err(), "{name}");
    }
    settings.validate("web-2_a").expect("valid");
}

#[test]
fn every_key_can_be_written() {
    let settings = pool(
        r#"
        command = ["site", "serve"]
        processes = 4
        processes_min = 2
        processes_max = 8
        threads = 2
        listen = ["unix:/run/web.sock"]
        backlog = 1024
        socket_mode = "666"
        socket_user = "www-data"
        socket_group = "www-data"
        inherit = "listen_fds"
        ready = "http"
        ready_probe = "/healthz"
        stop_signal = "SIGQUIT"
        surge = 2
        probation = "3s"
        memory_reserve = "128MiB"
        max_requests = 5000
        max_panics = 3
        pss_soft = "300MiB"
        uss_soft = "200MiB"
        vsz_soft = "2GiB"
        stuck_backlog = 10
        idle = "10m"
        on_idle = "exit"
        process_name = "shop-web"
        roll_on_change = ["/run/kiuas/touched"]
        max_lifetime = "1d"
        min_lifetime = "2m"
        jitter = 10
        rss_soft = "300MiB"
        rss_hard = "450MiB"
        files = 900
        cpu_time = "1h"
        hard_grace = "5s"
        user = "www-data"
        group = "www-data"
        groups = ["video"]
        umask = "027"
        directory = "/srv/site"
        environment_files = ["/etc/site.env", "-/etc/site.local.env"]
        oom_score_adj = 500
        wait_for = ["tcp:db:5432", "unix:/run/redis.sock", "file:/run/done", "http://search:9200/_health"]
        wait_timeout = "90s"
        control = "unix:/run/kiuas/web.ctl"
        [environment]
        LANG = "C.UTF-8"
        [rlimits]
        nofile = 65536
        core = "unlimited"
        as = "4GiB"
        [cgroup]
        parent = "/kiuas"
        memory = "1GiB"
        cpu = 150
        pids = 200
        [hooks]
        before_start = ["site", "migrate"]
        timeout = "1m"
        [scale]
        busy_above = 80
        down_after = "2m"
        "#,
    );
    settings.validate("web").expect("valid");
    assert_eq!(settings.bounds(), (2, 8));
    assert_eq!(settings.umask, Some(FileMode(0o027)));
    assert_eq!(settings.rlimits.core, Some(Limit(None)));
    assert_eq!(settings.rlimits.address_space, Some(Limit(Some(4 << 30))));
    assert_eq!(
        settings.wait_for[3].to_string(),
        "http://search:9200/_health"
    );
    let written = toml::to_string(&settings).expect("TOML");
    assert_eq!(toml::to_string(&pool(&written)).expect("TOML"), written);
}

#[test]
fn bounds_and_limits_that_contradict_each_other_are_told() {
    let cases = [
        (
            "processes_min = 3",
            "processes_min`: must be 1 to processes, 2",
        ),
        (
            "processes_max = 1",
            "processes_max`: must be processes, 2, to 1024",
        ),
        ("threads = 0", "threads`: must be 1 to 64"),
        ("surge = 0", "surge`: must be 1 to 1024"),
        ("backlog = 0", "backlog`: must be 1 to 65535"),
        ("jitter = 101", "jitter`: must be 0 to 100 (percent)"),
        ("max_requests = 0", "max_requests`: must not be 0"),
        (
            "rss_soft = '2MiB'\nrss_hard = '2MiB'",
            "rss_hard`: must be more than rss_soft, 2MiB",
        ),
        (
            "max_lifetime = '30s'",
            "max_lifetime`: must not be shorter than min_lifetime, 1m",
        ),
        (
            "oom_score_adj = 1001",
            "oom_score_adj`: must be -1000 to 1000",
        ),
        (
            "ready = 'after'",
            "ready_after`: is needed for ready = \"after\"",
        ),
        (
            "ready = 'http'",
            "ready_probe`: is needed for ready = \"http\", such as /healthz",
        ),
        (
            "ready_probe = '/x'",
            "ready_probe`: is for ready = \"http\" alone",
        ),
        (
            "control = '127.0.0.1:1'",
            "control`: 127.0.0.1:1 can be reached by anybody: write unix:/path",
        ),
        (
            "[environment]\n'A=B' = 'c'",
            "environment`: `A=B` is no name of a variable",
        ),
        (
            "[scale]\nbusy_above = 30",
            "scale`: busy_above must be 1 to 100 (percent), busy_below smaller",
        ),
    ];
    for (text, expected) in cases {
        let found = problem(&format!("command = ['a']\n{text}"));
        assert_eq!(found, format!("`pool.web.{expected}"));
    }
}

#[test]
fn a_probe_must_reach_the_child_that_is_asked() {
    let http = |rest: &str| format!("command = ['a']\nready = 'http'\n{rest}");
    let good = [
        "ready_probe = '/healthz'",
        "inherit = 'none'\nready_probe = 'http://127.0.0.1:9000/healthz'",
    ];
    for text in good {
        pool(&http(text)).validate("web").expect(text);
    }
    for text in [
        "ready_probe = 'healthz'",
        "inherit = 'bare_fd'\nready_probe = '/healthz'",
        "inherit = 'none'\nready_probe = '/healthz'",
    ] {
        assert!(
            problem(&http(text)).contains("`pool.web.ready_probe`: "),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_value_says_what_would_be_one() {
    let cases = [
        (
            "socket_mode = 'rw'",
            "`rw` is no mode: write it in octal, such as 660",
        ),
        (
            "wait_for = ['redis']",
            "`redis` is nothing to wait for: write tcp:HOST:PORT",
        ),
        ("wait_for = ['tcp:db']", "`tcp:db` is nothing to wait for"),
        (
            "[rlimits]\nnofile = 'many'",
            "`many` is no limit: write a whole number",
        ),
        (
            "stop_signal = 'SIGKILL'",
            "unknown variant `SIGKILL`, expected one of `SIGTERM`",
        ),
        ("maxrequests = 1", "unknown field `maxrequests`"),
    ];
    for (text, expected) in cases {
        let error = toml::from_str::<PoolSettings>(text)
            .expect_err(text)
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}
