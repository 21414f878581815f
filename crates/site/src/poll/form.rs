//! The form of a poll, for a new one and for a change.

use std::collections::HashSet;

use jiff::{Timestamp, ToSpan};
use serde::Deserialize;

use crate::form::{Errors, fits, line};
use crate::time;

const FEWEST_CHOICES: usize = 2;
const MOST_CHOICES: usize = 20;
const LONGEST_QUESTION: usize = 300;
const LONGEST_CHOICE: usize = 200;
const LONGEST_DAYS: i64 = 366;

/// What `/polls/new` and `/polls/{id}/edit` post.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct PollForm {
    #[serde(default)]
    pub(crate) question: String,
    #[serde(default)]
    pub(crate) choices: String,
    #[serde(default)]
    pub(crate) closes_at: String,
}

/// What the form says, once it is right.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) question: String,
    pub(crate) choices: Vec<String>,
    pub(crate) closes_at: Option<Timestamp>,
}

impl PollForm {
    /// All fields, or what is wrong with them.
    pub(crate) fn read(&self, now: Timestamp) -> Result<Draft, Errors> {
        let mut errors = Errors::default();
        let question = line(&self.question);
        errors.require(!question.is_empty(), "question", "Enter a question.");
        errors.require(
            fits(&question, LONGEST_QUESTION),
            "question",
            "The question is too long: at most 300 characters.",
        );
        let choices = self.read_choices(&mut errors);
        let closes_at = self.read_closes_at(now, &mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Draft {
            question,
            choices,
            closes_at,
        })
    }

    /// The closing time alone: all that may change once somebody has voted.
    pub(crate) fn closing(&self, now: Timestamp) -> Result<Option<Timestamp>, Errors> {
        let mut errors = Errors::default();
        let closes_at = self.read_closes_at(now, &mut errors);
        if errors.is_empty() {
            Ok(closes_at)
        } else {
            Err(errors)
        }
    }

    fn read_choices(&self, errors: &mut Errors) -> Vec<String> {
        let lines = self.choices.lines().map(line);
        // One more than allowed is enough to refuse it.
        let choices: Vec<String> = lines
            .filter(|choice| !choice.is_empty())
            .take(MOST_CHOICES + 1)
            .collect();
        errors.require(
            (FEWEST_CHOICES..=MOST_CHOICES).contains(&choices.len()),
            "choices",
            "Enter 2 to 20 choices, one a line.",
        );
        if let Some(long) = choices.iter().find(|choice| !fits(choice, LONGEST_CHOICE)) {
            let beginning: String = long.chars().take(30).collect();
            errors.add(
                "choices",
                format!("The choice “{beginning}…” is too long: at most 200 characters."),
            );
        }
        let mut seen = HashSet::new();
        if let Some(twice) = choices
            .iter()
            .find(|choice| !seen.insert(choice.to_lowercase()))
        {
            errors.add("choices", format!("The choice “{twice}” is there twice."));
        }
        choices
    }

    fn read_closes_at(&self, now: Timestamp, errors: &mut Errors) -> Option<Timestamp> {
        if self.closes_at.trim().is_empty() {
            return None;
        }
        let Some(moment) = time::read(&self.closes_at) else {
            errors.add(
                "closes_at",
                "Enter a date and a time such as 2030-01-31 18:00.",
            );
            return None;
        };
        let latest = now
            .saturating_add((LONGEST_DAYS * 24).hours())
            .unwrap_or(Timestamp::MAX);
        errors.require(
            moment > now,
            "closes_at",
            "Enter a time in the future; it is read as UTC.",
        );
        errors.require(moment <= latest, "closes_at", "Enter a time within a year.");
        Some(moment)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const NOW: &str = "2026-11-23T15:00:00Z";

    fn form(question: &str, choices: &str, closes_at: &str) -> PollForm {
        PollForm {
            question: question.to_owned(),
            choices: choices.to_owned(),
            closes_at: closes_at.to_owned(),
        }
    }

    fn read(question: &str, choices: &str, closes_at: &str) -> Result<Draft, Errors> {
        form(question, choices, closes_at).read(NOW.parse().expect("timestamp"))
    }

    fn wrong(question: &str, choices: &str, closes_at: &str) -> Vec<&'static str> {
        let errors = read(question, choices, closes_at).expect_err("errors");
        errors.iter().map(|(field, _)| field).collect()
    }

    #[test]
    fn blank_lines_are_no_choices() {
        let draft = read(" Tea? ", "yes\r\n\r\n  no  \n", "").expect("draft");
        assert_eq!(
            draft,
            Draft {
                question: "Tea?".to_owned(),
                choices: vec!["yes".to_owned(), "no".to_owned()],
                closes_at: None,
            }
        );
    }

    #[test]
    fn each_wrong_field_has_its_message() {
        assert_eq!(
            wrong("", "one", "soon"),
            ["question", "choices", "closes_at"]
        );
        assert_eq!(wrong(&"x".repeat(301), "a\nb", ""), ["question"]);
        assert_eq!(
            wrong("Q", &format!("a\n{}", "x".repeat(201)), ""),
            ["choices"]
        );
        assert_eq!(wrong("Q", &"a\nb\n".repeat(11), ""), ["choices"]);
    }

    #[test]
    fn the_same_choice_twice_is_refused_whatever_its_case() {
        assert_eq!(wrong("Q", "Tea\ncoffee\ntea", ""), ["choices"]);
    }

    #[test]
    fn the_closing_time_lies_in_the_coming_year() {
        assert!(read("Q", "a\nb", "2026-11-23T15:00:01").is_ok());
        assert_eq!(wrong("Q", "a\nb", "2026-11-23T15:00:00"), ["closes_at"]);
        assert_eq!(wrong("Q", "a\nb", "2028-01-01T00:00:00"), ["closes_at"]);
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_fits_the_tables(
            question in any::<String>(),
            choices in vec(".{0,40}", 0..6),
            closes_at in "[0-9T:-]{0,20}",
        ) {
            if let Ok(draft) = read(&question, &choices.join("\n"), &closes_at) {
                prop_assert!((1..=300).contains(&draft.question.chars().count()));
                prop_assert!((2..=20).contains(&draft.choices.len()));
                for choice in &draft.choices {
                    prop_assert!((1..=200).contains(&choice.chars().count()));
                    prop_assert!(!choice.contains(char::is_control));
                }
            }
        }
    }
}
