//! What `kiuas-proxy check` says about wrong settings: the key, and what to write.

use crate::harness::proxy::output;

const SITE: &str = "[[proxy.sites]]\nhosts = '*'\n[[proxy.sites.routes]]\n";
const APP: &str = "[proxy.upstreams.app]\ntargets = '127.0.0.1:1'\n";

/// Settings, and what must be in the message.
fn table() -> Vec<(String, &'static [&'static str])> {
    let site = |text: &str| format!("{SITE}{text}\n{APP}");
    let app = |text: &str| format!("[proxy.upstreams.app]\n{text}\n");
    let limit = |text: &str| format!("[proxy.limits]\n{text}\n");
    vec![
        // Keys that do not exist.
        ("[proxy]\nhtp = '127.0.0.1:0'\n".to_owned(), &["proxy.htp", "default.toml", "Did you mean `http`?"]),
        (limit("head_timeot = '1s'"), &["proxy.limits.head_timeot", "`1s`", "`head_timeout`"]),
        (app("target = '127.0.0.1:1'"), &["proxy.upstreams.app.target", "`targets`"]),
        (site("prefx = '/'\nupstream = 'app'"), &["prefx", "`prefix`"]),
        ("[proxy.tls]\nmod = 'files'\n".to_owned(), &["proxy.tls.mod", "`mode`"]),
        ("[proxi]\nhttp = 'x'\n".to_owned(), &["proxi", "`proxy`"]),
        ("access_log = { formt = 'json' }\n".to_owned(), &["`format`"]),
        ("[proxy.pages]\ndir = '/x'\n".to_owned(), &["proxy.pages.dir", "`directory`"]),
        // Values of the wrong kind.
        ("[proxy]\nhttp = 'localhost'\n".to_owned(), &["proxy.http", "HOST:PORT"]),
        ("[proxy]\nthreads = 'many'\n".to_owned(), &["proxy.threads", "`many`"]),
        ("[proxy]\nadmin = '8080'\n".to_owned(), &["proxy.admin", "HOST:PORT"]),
        (limit("keep_alive = '75'"), &["proxy.limits.keep_alive", "`75`", "75", "30s"]),
        (limit("keep_alive = '75 parsecs'"), &["proxy.limits.keep_alive", "250ms"]),
        (limit("body = '10MB'"), &["proxy.limits.body", "10MiB"]),
        (limit("connections = -1"), &["proxy.limits.connections"]),
        ("access_log = 'apache'\n".to_owned(), &["proxy.access_log", "combined"]),
        // Values that make no sense.
        ("[proxy]\nhttp = []\n".to_owned(), &["`proxy.http`", "no address"]),
        ("[proxy]\nhttp = '127.0.0.1:0'\nthreads = 5000\n".to_owned(), &["`proxy.threads`", "1024"]),
        ("control = '127.0.0.1:1'\n".to_owned(), &["`proxy.control`", "unix:/path"]),
        ("trusted = 'example.org'\n".to_owned(), &["`proxy.trusted[0]`", "10.0.0.0/8"]),
        (limit("connections = 0"), &["`proxy.limits.connections`", "nobody"]),
        (limit("head_timeout = '0s'"), &["`proxy.limits.head_timeout`", "longer than 0"]),
        (limit("drain_grace = '2m'"), &["`proxy.limits.drain_grace`", "drain_timeout"]),
        (limit("tunnel_drain = '1s'"), &["`proxy.limits.tunnel_drain`", "drain_timeout"]),
        ("access_log = { sample = 1.5 }\n".to_owned(), &["`proxy.access_log.sample`", "0 to 1"]),
        ("access_log = { exclude = 'health' }\n".to_owned(), &["`proxy.access_log.exclude`", "begin with `/`"]),
        ("access_log = { buffer = '1B' }\n".to_owned(), &["`proxy.access_log.buffer`", "4KiB"]),
        // Sites and routes.
        ("[[proxy.sites]]\nhosts = []\n".to_owned(), &["`proxy.sites[0].hosts`", "no host"]),
        ("[[proxy.sites]]\nhosts = 'a:80'\n".to_owned(), &["`proxy.sites[0].hosts`", "without a port"]),
        ("[[proxy.sites]]\nhosts = 'a'\n[[proxy.sites]]\nhosts = 'A'\n".to_owned(), &["`proxy.sites[1].hosts`", "already another site's"]),
        (site("prefix = '/'"), &["`proxy.sites[0].routes[0]`", "upstream"]),
        (site("upstream = 'app'"), &["`proxy.sites[0].routes[0]`", "prefix"]),
        (site("prefix = 'app'\nupstream = 'app'"), &["`proxy.sites[0].routes[0].prefix`", "begin with `/`"]),
        (site("prefix = '/'\nupstream = 'ap'"), &["`proxy.sites[0].routes[0].upstream`", "Did you mean `app`?"]),
        (site("prefix = '/'\nfiles = { root = '/nonexistent' }"), &["`proxy.sites[0].routes[0].files.root`"]),
        (site("prefix = '/'\nredirect = { to = '/x', status = 200 }"), &["`proxy.sites[0].routes[0].redirect"]),
        (site("prefix = '/'\nrespond = { status = 99 }"), &["`proxy.sites[0].routes[0].respond.status`"]),
        (site("regex = '('\nrespond = {}"), &["`proxy.sites[0].routes[0].regex`"]),
        // Upstreams.
        (app("targets = []"), &["`proxy.upstreams.app.targets`", "unix:/path"]),
        (app("targets = 'nonsense'"), &["`proxy.upstreams.app.targets"]),
        (app("targets = '127.0.0.1:1'\nidle_timeout = '6s'"), &["`proxy.upstreams.app.idle_timeout`", "idle_grace"]),
        (app("targets = '127.0.0.1:1'\nmax_connections = 0"), &["`proxy.upstreams.app.max_connections`"]),
        (app("targets = '127.0.0.1:1'\nresponse_timeout = '0s'"), &["`proxy.upstreams.app.response_timeout`"]),
        // Files.
        ("[proxy]\nhttps = '127.0.0.1:0'\n[proxy.tls]\nmode = 'files'\n".to_owned(), &["proxy.tls.certificate"]),
        ("[proxy]\nhttps = '127.0.0.1:0'\n[proxy.tls]\nmode = 'files'\ncertificate = '/nonexistent/c'\nkey = '/nonexistent/k'\n".to_owned(), &["/nonexistent/c", "No such file"]),
    ]
}

#[test]
fn each_wrong_setting_is_named_with_what_to_write() {
    let mut wrong = Vec::new();
    for (settings, parts) in table() {
        let output = output(&settings, &["check"]);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.code() != Some(64) {
            wrong.push(format!("accepted:\n{settings}\n{err}"));
        }
        if err.contains("`proxy.") && !names_a_line(&err) {
            wrong.push(format!("no line for\n{settings}\n{err}"));
        }
        for part in parts {
            if !err.contains(part) {
                wrong.push(format!("{part} is missing for\n{settings}\n{err}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n---\n"));
}

#[test]
fn one_run_tells_all_problems() {
    let settings = format!(
        "{SITE}prefix = 'x'\nrespond = {{}}\n[proxy.limits]\nconnections = 0\nkeep_alive = '0s'\n\
         [proxy.upstreams.app]\ntargets = 'nonsense'\n"
    );
    let output = output(&settings, &["check"]);
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(err.matches("\n  - ").count(), 4, "{err}");
    assert_eq!(err.matches("error:").count(), 1, "{err}");
}

#[test]
fn good_settings_are_good() {
    let output = output(
        &format!("{SITE}prefix = '/'\nupstream = 'app'\n{APP}"),
        &["check"],
    );
    assert_eq!(output.status.code(), Some(0));
}

fn names_a_line(said: &str) -> bool {
    said.split("default.toml:")
        .skip(1)
        .any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

#[test]
fn each_problem_names_its_value_its_file_and_its_line() {
    let settings = "[proxy]\nhttp = '127.0.0.1:0'\n\n[[proxy.sites]]\nhosts = 'a'\n\
        [[proxy.sites.routes]]\nprefix = 'x'\nupstream = 'app'\n\
        [proxy.upstreams.app]\ntargets = '127.0.0.1:1'\nmax_connections = 0\n";
    let output = output(settings, &["check"]);
    let err = String::from_utf8_lossy(&output.stderr);
    for (key, line) in [
        ("`proxy.sites[0].routes[0].prefix` = `x` in ", 7),
        ("`proxy.upstreams.app.max_connections` = `0` in ", 11),
    ] {
        let (_, rest) = err
            .split_once(key)
            .unwrap_or_else(|| panic!("{key}: {err}"));
        let place = rest.split_once(": ").map(|(place, _)| place);
        assert!(
            place.is_some_and(|place| place.ends_with(&format!("default.toml:{line}"))),
            "{key}: {err}"
        );
    }
}
