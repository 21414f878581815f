//! What a visitor does on the site, step by step, without a browser.

use http::StatusCode;
use uuid::Uuid;

use super::form;
use super::visitor::{Answer, Visitor};

/// A poll as its page shows it.
#[derive(Debug, Clone)]
pub(crate) struct Poll {
    /// `/polls/{uuid}`.
    pub(crate) path: String,
    /// The values of the radios, in order.
    pub(crate) choices: Vec<String>,
}

/// Signs a new author up.
pub(crate) async fn sign_up(visitor: &mut Visitor) {
    let email = format!("{}@example.org", Uuid::new_v4());
    let fields = [
        ("name", "Aino"),
        ("email", email.as_str()),
        ("password", "loyly and birch leaves"),
    ];
    let answer = visitor.submit("/sign-up", "/sign-up", &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
}

/// Makes a poll with two choices and no end.
pub(crate) async fn create(visitor: &mut Visitor, question: &str) -> Poll {
    let fields = [("question", question), ("choices", "Birch\nAlder")];
    let answer = visitor.submit("/polls/new", "/polls/new", &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    let path = answer.location().expect("the new poll's address");
    let page = visitor.get(&path).await;
    let choices = form::values(&page.text(), "choice");
    assert_eq!(choices.len(), 2, "{}", page.text());
    Poll { path, choices }
}

/// An author with a new poll.
pub(crate) async fn new_poll(visitor: &mut Visitor) -> Poll {
    sign_up(visitor).await;
    create(visitor, "Which wood heats best?").await
}

/// Votes for the first choice.
pub(crate) async fn vote(visitor: &mut Visitor, poll: &Poll) {
    let answer = visitor
        .submit(&poll.path, &poll.vote(), &[("choice", &poll.choices[0])])
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    let page = visitor.get(&poll.path).await;
    assert!(is_thanked(&page), "{}", page.text());
}

/// True if the page says that the vote counts.
pub(crate) fn is_thanked(page: &Answer) -> bool {
    page.text().contains("Thank you for your vote")
}

impl Poll {
    /// Where a vote is posted.
    pub(crate) fn vote(&self) -> String {
        format!("{}/vote", self.path)
    }
}
