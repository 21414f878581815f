use std::process::Command;

use proptest::prelude::*;

use super::*;

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .expect(program);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout)
        .expect("text")
        .trim()
        .to_owned()
}

fn problems(text: &str) -> String {
    let errors = Users::parse(text).expect_err("was accepted");
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn what_htpasswd_and_openssl_make_is_understood() {
    for password in ["secret", "ä longer one, with sp€cial signs: 123", "x"] {
        let mut text = String::new();
        for (user, flag) in [
            ("bcrypt", "-nbB"),
            ("apr1", "-nbm"),
            ("sha", "-nbs"),
            ("sha256", "-nb2"),
            ("sha512", "-nb5"),
        ] {
            text.push_str(&run("htpasswd", &[flag, user, password]));
            text.push('\n');
        }
        for (user, flag) in [("o1", "-1"), ("oapr1", "-apr1"), ("o5", "-5"), ("o6", "-6")] {
            text.push_str(&format!(
                "{user}:{}\n",
                run("openssl", &["passwd", flag, password])
            ));
        }
        let users = Users::parse(&text).expect("users");
        for line in text.lines() {
            let (user, _) = line.split_once(':').expect("colon");
            let (hash, known) = users.of(user);
            assert!(known && hash.is_of(password.as_bytes()), "{user}");
            assert!(!hash.is_of(format!("{password}!").as_bytes()), "{user}");
            assert!(!hash.is_of(b""), "{user}");
        }
    }
}

#[test]
fn a_salted_sha1_is_understood() {
    let digest = sha1_of(b"passsalt");
    let users = Users::parse(&format!("a:{{SSHA}}{}", base64(&digest, b"salt"))).expect("users");
    assert!(users.of("a").0.is_of(b"pass") && !users.of("a").0.is_of(b"past"));
}

fn sha1_of(text: &[u8]) -> Vec<u8> {
    use sha1::Digest;
    sha1::Sha1::digest(text).to_vec()
}

fn base64(digest: &[u8], salt: &[u8]) -> String {
    use ::base64::Engine;
    ::base64::engine::general_purpose::STANDARD.encode([digest, salt].concat())
}

#[test]
fn what_cannot_be_used_is_named_by_its_line_and_never_shown() {
    let text = "# users\n\nok:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\nplain:hunter2\ndes:rqXexS6ZhobKA\n\
                yes:$y$j9T$abc$def\ncostly:$2y$17$abcdefghijklmnopqrstuuE3vC7gP1qAJnJr0mIH1QO1oUyyq5hW2\n\
                slow:$6$rounds=900000000$salt$abc\nshort:$2y$10$abc\nnocolon\n:nouser\n";
    let found = problems(text);
    for expected in [
        "line 4: user `plain`: plain text or crypt(3) DES",
        "line 5: user `des`: plain text or crypt(3) DES",
        "line 6: user `yes`: yescrypt",
        "line 7: user `costly`: bcrypt with a cost above 15",
        "line 8: user `slow`: more than 1 000 000 rounds",
        "line 9: user `short`: the bcrypt hash is damaged",
        "line 10: no colon",
        "line 11: no user in front",
    ] {
        assert!(found.contains(expected), "{expected} is not in {found}");
    }
    assert!(!found.contains("hunter2") && !found.contains("rqXexS6ZhobKA"));
    assert!(problems("# nobody\n").contains("no user"));
}

#[test]
fn the_first_of_two_lines_counts_and_comments_are_skipped() {
    let one = run("htpasswd", &["-nbs", "a", "one"]);
    let two = run("htpasswd", &["-nbs", "a", "two"]);
    let users = Users::parse(&format!("{one}:a comment\n{two}\n")).expect("users");
    assert!(users.of("a").0.is_of(b"one"));
}

#[test]
fn a_stranger_costs_as_much_as_the_most_costly_user() {
    let bcrypt = run("htpasswd", &["-nbB", "-C", "4", "b", "pass"]);
    let sha = run("htpasswd", &["-nbs", "s", "word"]);
    let users = Users::parse(&format!("{sha}\n{bcrypt}\n")).expect("users");
    let (hash, known) = users.of("nobody");
    assert!(!known && *hash == *users.of("b").0);
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        drop(Users::parse(&text));
    }

    #[test]
    fn no_hash_makes_the_parser_or_a_comparison_panic(
        magic in prop::sample::select(vec!["$2y$04$", "$apr1$", "$1$", "{SHA}", "{SSHA}", "$5$", "$6$rounds=1000$", ""]),
        rest in "[./$A-Za-z0-9+=]{0,90}",
    ) {
        if let Ok(hash) = Hash::parse(&format!("{magic}{rest}")) {
            prop_assert!(!hash.is_of(b"a password that nobody has"));
        }
    }
}
