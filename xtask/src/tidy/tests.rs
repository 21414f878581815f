use super::dependencies::{Metadata, banned_in};
use super::*;

fn source(path: &str, text: &str) -> Source {
    Source {
        path: PathBuf::from(path),
        text: text.to_owned(),
    }
}

fn package(name: &str, dependencies: &str) -> Metadata {
    serde_json::from_str(&format!(
        r#"{{"workspace_root": "/w", "packages": [{{"name": "{name}",
        "manifest_path": "/w/crates/folder/Cargo.toml", "dependencies": [{dependencies}]}}]}}"#
    ))
    .unwrap()
}

#[test]
fn a_component_that_uses_another_breaks_the_layers() {
    let dependency = r#"{"name": "kiuas-worker", "kind": null, "path": "/w/crates/worker"}"#;
    let metadata = package("kiuas-web", dependency);
    let breaches = layers::layer(&metadata.packages[0]);
    assert_eq!(
        breaches,
        ["kiuas-web: must not depend on kiuas-worker; allowed: kiuas-common, kiuas-queue"]
    );
}

#[test]
fn dependencies_downwards_and_outwards_keep_the_layers() {
    let dependencies = r#"
        {"name": "kiuas-queue", "kind": null, "path": "/w/crates/queue"},
        {"name": "kiuas-common", "kind": "dev", "path": "/w/crates/common"},
        {"name": "serde", "kind": null}"#;
    let metadata = package("kiuas-beat", dependencies);
    assert!(layers::layer(&metadata.packages[0]).is_empty());
}

#[test]
fn xtask_depends_on_nothing_of_the_workspace_not_even_in_tests() {
    let dependency = r#"{"name": "kiuas-common", "kind": "dev", "path": "/w/crates/common"}"#;
    let metadata = package("xtask", dependency);
    assert_eq!(layers::layer(&metadata.packages[0]).len(), 1);
}

#[test]
fn a_package_without_a_layer_is_asked_for_one() {
    let metadata = package("kiuas-sauna", "");
    assert!(layers::layer(&metadata.packages[0])[0].contains("add it to LAYERS"));
}

#[test]
fn packages_are_called_after_their_folders() {
    let metadata = package("kiuas-folder", "");
    let package = &metadata.packages[0];
    let folder = metadata.folder(package).unwrap();
    assert_eq!(folder, Path::new("crates/folder"));
    assert_eq!(layers::name(package, folder), None);
    assert!(layers::name(package, Path::new("crates/other")).is_some());
    assert!(layers::name(package, Path::new("xtask")).is_some());
}

#[test]
fn a_member_that_repeats_what_the_workspace_says_is_named() {
    let manifest = r#"
[package]
name = "kiuas-x"
version = "1.0.0"
edition.workspace = true
license.workspace = true
publish.workspace = true
rust-version.workspace = true

[lints]
workspace = true

[dependencies]
serde = "1"
tokio = { workspace = true, features = ["fs"] }
"#;
    let breaches = manifests::member(&source("crates/x/Cargo.toml", manifest));
    assert_eq!(breaches.len(), 2, "{breaches:?}");
    assert!(breaches[0].contains("version.workspace = true"));
    assert!(breaches[1].contains("serde in [dependencies]"));
}

#[test]
fn a_dependency_without_a_reason_is_named_with_its_line() {
    let manifest = "\
[workspace.dependencies]
kiuas = { path = \"crates/kiuas\" }

# --- data ---
serde = \"1\"
# JSON.
serde_json = \"1\"
toml = \"1\"

[profile.dev]
debug = 1
";
    let breaches = manifests::reasons(&[source("Cargo.toml", manifest)]);
    assert_eq!(breaches.len(), 2, "{breaches:?}");
    assert!(breaches[0].starts_with("Cargo.toml:5: serde needs a comment"));
    assert!(breaches[1].starts_with("Cargo.toml:8: toml needs a comment"));
}

#[test]
fn a_banned_crate_is_found_by_its_whole_name() {
    assert_eq!(banned_in("ring v0.17.0\nrustls v0.23.0\n").len(), 1);
    assert!(banned_in("ring-buffer v1.0.0\nstring v1.0.0\n").is_empty());
}

#[test]
fn each_rule_of_sources_names_file_and_line() {
    let text = format!("fn f() {{\n    {}\n}}\n", concat!("to", "do!()"));
    let breaches = sources::check(&source("crates/x/src/a.rs", &text));
    assert_eq!(breaches.len(), 2, "{breaches:?}");
    assert!(breaches[0].starts_with("crates/x/src/a.rs:1: begin the module with"));
    assert!(breaches[1].starts_with("crates/x/src/a.rs:2: "));
}

#[test]
fn long_files_and_mod_rs_are_named() {
    let text = format!("//! Doc.\n{}", "\n".repeat(500));
    assert_eq!(sources::check(&source("a.rs", &text)).len(), 1);
    assert_eq!(sources::check(&source("a.rs", &text[..400])).len(), 0);
    assert_eq!(sources::check(&source("a/mod.rs", "//! Doc.")).len(), 1);
}

#[test]
fn ignored_tests_are_named() {
    let text = format!("#[test]\n{}]\nfn f() {{}}\n", concat!("#[", "ignore"));
    assert_eq!(sources::unfinished(&source("x/tests.rs", &text)).len(), 1);
}

#[test]
fn unsafe_code_is_found_and_talk_about_it_is_not() {
    let found = |text: &str| sources::confined_unsafe(&source("a.rs", text)).len();
    let word = concat!("un", "safe");
    assert_eq!(found(&format!("let x = {word} {{ y() }};")), 1);
    assert_eq!(found(&format!("pub {word} fn f() {{}}")), 1);
    assert_eq!(found(&format!("{word} impl Send for X {{}}")), 1);
    assert_eq!(found(&format!("// {word} {{ }} is bad")), 0);
    assert_eq!(found(&format!("#![forbid({word}_code)]")), 0);
    assert_eq!(found(&format!("let {word}_thing = 1;")), 0);
    let allowed = source(
        "crates/common/src/kernel/memory.rs",
        &format!("{word} {{ }}"),
    );
    assert!(sources::confined_unsafe(&allowed).is_empty());
}

#[test]
fn paths_of_one_machine_are_found() {
    let found = |text: &str| paths::check(&source("a.md", text), Path::new("/srv/me/kiuas")).len();
    assert_eq!(found("see /home/me/notes"), 1);
    assert_eq!(found("`/root/.cargo`"), 1);
    assert_eq!(found("built in /srv/me/kiuas/target"), 1);
    assert_eq!(found("https://example.org/home/page and ~/home/x"), 0);
    assert_eq!(found("/srv/me/kiuas-other/x"), 0);
}

#[test]
fn a_checkout_with_a_short_path_is_not_looked_for() {
    let file = source("Dockerfile", "COPY site /app/site");
    assert!(paths::check(&file, Path::new("/app")).is_empty());
}

#[test]
fn links_that_lead_nowhere_are_named() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("docs")).unwrap();
    fs::write(root.path().join("README.md"), "").unwrap();
    let text = "\
[up](../README.md#top) and [gone](missing.md) and [web](https://example.org/x)
```
[in code](nothing.md)
```
[out](../../etc/passwd) [here](#section)
";
    let breaches = documents::links(&source("docs/a.md", text), root.path());
    assert_eq!(
        breaches,
        [
            "docs/a.md:1: `missing.md` leads nowhere",
            "docs/a.md:5: `../../etc/passwd` leads nowhere"
        ]
    );
}

#[test]
fn the_changelog_has_a_place_for_the_next_change() {
    let with = source("CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n");
    assert_eq!(documents::changelog(&[with]), None);
    assert!(documents::changelog(&[source("CHANGELOG.md", "# Changelog\n")]).is_some());
    assert!(documents::changelog(&[]).is_some());
}
