use proptest::prelude::*;

use super::*;

fn csrf() -> Csrf {
    Csrf::new(&SecretKey::new("a key for tests"))
}

fn token(csrf: &Csrf, seed: &str) -> String {
    csrf.make(seed)
}

#[test]
fn a_token_is_good_for_its_session_alone() {
    let csrf = csrf();
    let token = token(&csrf, "seed one");
    assert!(csrf.verify("seed one", &token));
    assert!(!csrf.verify("seed two", &token));
}

#[test]
fn a_token_of_another_key_is_refused() {
    let other = Csrf::new(&SecretKey::new("another key"));
    assert!(!csrf().verify("seed", &token(&other, "seed")));
}

#[test]
fn two_tokens_of_a_session_differ() {
    let csrf = csrf();
    assert_ne!(token(&csrf, "seed"), token(&csrf, "seed"));
}

proptest! {
    #[test]
    fn what_we_did_not_make_is_refused(text in "\\PC{0,80}") {
        prop_assert!(!csrf().verify("seed", &text));
    }

    #[test]
    fn a_changed_token_is_refused(at in 0..TOKEN, to in "[A-Za-z0-9_-]") {
        let csrf = csrf();
        let good = token(&csrf, "seed");
        let mut bad = good.clone();
        bad.replace_range(at..=at, &to);
        prop_assume!(bad != good);
        prop_assert!(!csrf.verify("seed", &bad));
    }
}
