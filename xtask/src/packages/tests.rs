use super::*;

const POLICY: &str = "\
redis-server:
  Installed: (none)
  Candidate: 5:7.0.15-1~deb12u10
  Version table:
     5:7.0.15-1~deb12u10 500
        500 http://mirror.example/debian-security bookworm-security/main amd64 Packages
postgresql-server-dev:
  Installed: (none)
  Candidate: (none)
  Version table:
chromium:
  Installed: 156.0-1
  Candidate: 156.0-1
  Version table:
 *** 156.0-1 500
        100 /var/lib/dpkg/status
";

#[test]
fn only_packages_with_a_candidate_can_be_installed() {
    assert_eq!(apt::candidates(POLICY), ["redis-server", "chromium"]);
}

#[test]
fn an_unknown_package_is_no_candidate() {
    assert!(apt::candidates("").is_empty());
    assert!(apt::candidates("N: Unable to locate package nonesuch\n").is_empty());
}

#[test]
fn the_advice_is_one_line_that_names_things_and_packages() {
    let advice = advice(&[&POSTGRES, &BROWSER]);
    assert!(!advice.contains('\n'));
    assert!(
        advice.starts_with("PostgreSQL and Chromium are missing"),
        "{advice}"
    );
    assert!(
        advice.contains("apt-get install postgresql chromium chromium-driver"),
        "{advice}"
    );
}

#[test]
fn the_installing_script_is_valid_shell() {
    let script = Command::new("sh")
        .args(["-n", "-c", INSTALL])
        .status()
        .unwrap();
    assert!(script.success());
}

#[test]
fn the_words_for_root_come_before_the_command() {
    let command = rooted(&["sudo", "-n"], "apt-get");
    assert_eq!(command.get_program(), "sudo");
    assert_eq!(command.get_args().collect::<Vec<_>>(), ["-n", "apt-get"]);
    assert_eq!(rooted(&[], "apt-get").get_program(), "apt-get");
}
