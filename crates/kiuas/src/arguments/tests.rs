use actix_web::web::ServiceConfig;

use super::*;
use crate::Resources;

struct Example;

impl Application for Example {
    const NAME: &'static str = "example";
    type State = ();

    async fn state(_: &Resources) -> anyhow::Result<()> {
        Ok(())
    }

    fn routes(_: &mut ServiceConfig) {}
}

fn parsed(line: &str) -> Result<Arguments, clap::Error> {
    parse::<Example>(line.split(' ').map(OsString::from))
}

#[test]
fn the_definition_is_consistent() {
    definition::<Example>().debug_assert();
}

#[test]
fn every_command_shows_an_example_with_the_applications_name() {
    for command in [
        "",
        "serve",
        "worker",
        "beat",
        "migrate",
        "tasks",
        "check",
        "config",
        "routes",
        "migrate up",
        "migrate status",
        "migrate plan",
        "migrate verify",
        "migrate new",
        "migrate baseline",
        "migrate repair",
    ] {
        let line = format!("example {command} --help").replace("  ", " ");
        let help = parsed(&line).expect_err("help").to_string();
        assert!(
            help.contains(&format!("Examples:\n  example {command}")),
            "{help}"
        );
    }
}

#[test]
fn a_setting_is_overridden_before_or_after_the_command() {
    for line in [
        "example --set web.threads=2 serve",
        "example serve --set web.threads=2",
    ] {
        let arguments = parsed(line).expect(line);
        assert_eq!(
            arguments.set,
            [("web.threads".to_owned(), "2".to_owned())],
            "{line}"
        );
    }
}

#[test]
fn a_setting_without_a_section_or_a_value_is_refused() {
    for line in [
        "example serve --set threads=2",
        "example serve --set web.threads",
    ] {
        let error = parsed(line).expect_err(line).to_string();
        assert!(error.contains("SECTION.KEY=VALUE"), "{error}");
    }
}
