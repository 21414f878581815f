use crate::plan::{Plan, PlanError, TlsSource, tests};

fn plan(text: &str) -> Result<Plan, PlanError> {
    tests::plan(&format!("[proxy]\nhttps = '127.0.0.1:0'\n{text}"))
}

fn problem(text: &str) -> String {
    plan(text).expect_err("was accepted").to_string()
}

const AGREED: &str =
    "[proxy.tls]\nmode = 'acme'\n[proxy.tls.acme]\ncontact = 'a@b.example'\nagree = true\n";

#[test]
fn an_order_needs_a_contact_and_an_agreement() {
    let text = problem("[proxy.tls]\nmode = 'acme'\n[[proxy.sites]]\nhosts = 'one.example'\n");
    assert!(text.contains("`proxy.tls.acme.agree`"), "{text}");
    assert!(text.contains("`proxy.tls.acme.contact`"), "{text}");
    let plan = plan(&format!(
        "{AGREED}[[proxy.sites]]\nhosts = 'One.example, *'\n"
    ));
    let tls = plan.expect("plan").tls;
    assert_eq!(tls.acme.contact, ["mailto:a@b.example"]);
    assert!(tls.acme.directory_url.starts_with("https://acme-v02."));
    assert_eq!(
        tls.sites[0].source,
        TlsSource::Acme(vec!["one.example".to_owned()])
    );
}

#[test]
fn what_cannot_be_ordered_is_named() {
    for host in ["*.one.example", "127.0.0.1", "[::1]"] {
        let text = problem(&format!("{AGREED}[[proxy.sites]]\nhosts = '{host}'\n"));
        assert!(
            text.contains(&format!("no certificate for `{host}`")),
            "{text}"
        );
    }
    let text = problem(&format!("{AGREED}[[proxy.sites]]\nhosts = '*'\n"));
    assert!(text.contains("needs at least one name"), "{text}");
    let text = problem(
        "[proxy.tls.acme]\ndirectory_url = 'letsencript'\n[[proxy.sites]]\nhosts = 'a.example'\n",
    );
    assert!(text.contains("`proxy.tls.acme.directory_url`"), "{text}");
}

#[test]
fn files_are_asked_for_unless_every_site_has_its_own() {
    let text = problem("[proxy.tls]\nmode = 'files'\n[[proxy.sites]]\nhosts = 'a.example'\n");
    assert!(text.contains("`proxy.tls.certificate`"), "{text}");
    let own = "[proxy.tls]\nmode = 'files'\n[[proxy.sites]]\nhosts = 'a.example'\n\
        tls = [{ certificate = 'a', key = 'b' }, { certificate = 'c', key = 'd' }]\n";
    let tls = plan(own).expect("plan").tls;
    assert!(matches!(&tls.sites[0].source, TlsSource::Files(pairs) if pairs.len() == 2));
    let text = problem("[[proxy.sites]]\nhosts = 'a.example'\ntls = []\n");
    assert!(
        text.contains("`proxy.sites[0].tls`: an empty list"),
        "{text}"
    );
}

#[test]
fn browsers_lists_have_conditions() {
    let hsts = |table: &str| {
        plan(&format!(
            "[[proxy.sites]]\nhosts = 'a.example'\nhsts = {table}\n"
        ))
        .map(|plan| plan.sites.find("a.example").expect("site").hsts.clone())
    };
    let said = |table: &str| {
        let value = hsts(table).expect("plan").expect("value");
        value.to_str().expect("text").to_owned()
    };
    assert_eq!(said("true"), "max-age=63072000");
    assert_eq!(said("{ max_age = '0s' }"), "max-age=0");
    assert_eq!(
        said("{ max_age = '365d', include_subdomains = true, preload = true }"),
        "max-age=31536000; includeSubDomains; preload"
    );
    for table in [
        "{ preload = true }",
        "{ max_age = '1d', include_subdomains = true, preload = true }",
    ] {
        let text = hsts(table).expect_err("was accepted").to_string();
        assert!(text.contains("`proxy.sites[0].hsts.preload`"), "{text}");
    }
}
