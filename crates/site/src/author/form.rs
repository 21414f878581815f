//! The forms of signing up and in.

use serde::Deserialize;

use crate::form::{Errors, fits, line};

const SHORTEST_PASSWORD: usize = 10;
/// Also bounds what the hash function is fed.
const LONGEST_PASSWORD: usize = 200;

/// What `/sign-up` posts.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct SignUp {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) email: String,
    #[serde(default)]
    password: String,
}

/// What `/sign-in` posts.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct SignIn {
    #[serde(default)]
    pub(crate) email: String,
    #[serde(default)]
    password: String,
}

impl SignUp {
    /// Tidies the values up and says what is wrong with them.
    pub(crate) fn check(&mut self) -> Errors {
        self.name = line(&self.name);
        self.email = normal_email(&self.email);
        let mut errors = Errors::default();
        errors.require(!self.name.is_empty(), "name", "Enter your name.");
        errors.require(
            fits(&self.name, 100),
            "name",
            "The name is too long: at most 100 characters.",
        );
        errors.require(
            is_email(&self.email),
            "email",
            "Enter an e-mail address such as ada@example.org.",
        );
        errors.require(
            !fits(&self.password, SHORTEST_PASSWORD - 1),
            "password",
            "The password is too short: at least 10 characters.",
        );
        errors.require(
            fits(&self.password, LONGEST_PASSWORD),
            "password",
            "The password is too long: at most 200 characters.",
        );
        errors
    }

    /// The password, once: it is never shown again.
    pub(crate) fn take_password(&mut self) -> String {
        std::mem::take(&mut self.password)
    }
}

impl SignIn {
    /// Tidies the values up and says what is wrong with them.
    pub(crate) fn check(&mut self) -> Errors {
        self.email = normal_email(&self.email);
        let mut errors = Errors::default();
        errors.require(
            !self.email.is_empty(),
            "email",
            "Enter your e-mail address.",
        );
        errors.require(
            !self.password.is_empty(),
            "password",
            "Enter your password.",
        );
        // Neither can belong to an author, and nothing long reaches the hash function.
        if !fits(&self.email, 254) || !fits(&self.password, LONGEST_PASSWORD) {
            errors.add("email", WRONG);
        }
        errors
    }

    /// The password, once: it is never shown again.
    pub(crate) fn take_password(&mut self) -> String {
        std::mem::take(&mut self.password)
    }
}

/// The one answer to a wrong e-mail and to a wrong password: it tells nobody who has an account.
pub(crate) const WRONG: &str = "This e-mail and password do not match.";

fn normal_email(text: &str) -> String {
    text.trim().to_lowercase()
}

/// A mailbox that mail can be sent to: checked by the library that will send it.
fn is_email(text: &str) -> bool {
    fits(text, 254) && text.parse::<lettre::Address>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign_up(name: &str, email: &str, password: &str) -> SignUp {
        SignUp {
            name: name.to_owned(),
            email: email.to_owned(),
            password: password.to_owned(),
        }
    }

    #[test]
    fn good_values_pass_and_are_tidied_up() {
        let mut form = sign_up(" Ada  Lovelace ", " Ada@Example.ORG ", "correct horse");
        assert!(form.check().is_empty());
        assert_eq!(
            (form.name.as_str(), form.email.as_str()),
            ("Ada Lovelace", "ada@example.org")
        );
    }

    #[test]
    fn each_wrong_field_has_its_message() {
        let errors = sign_up(" ", "ada", "short").check();
        let fields = errors.iter().map(|(field, _)| field).collect::<Vec<_>>();
        assert_eq!(fields, ["name", "email", "password"]);
    }

    #[test]
    fn a_password_of_ten_characters_is_long_enough() {
        assert!(
            sign_up("A", "a@example.org", "äöüäöüäöüä")
                .check()
                .is_empty()
        );
        assert!(
            sign_up("A", "a@example.org", "äöüäöüäöü")
                .check()
                .has("password")
        );
    }

    #[test]
    fn a_header_cannot_be_smuggled_into_an_address() {
        for email in [
            "a@b.org\r\nBcc: x@y.org",
            "a@b.org, c@d.org",
            "<a@b.org>",
            "a b@c.org",
        ] {
            assert!(
                sign_up("A", email, "correct horse").check().has("email"),
                "{email}"
            );
        }
    }
}
