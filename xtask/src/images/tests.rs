use super::*;

#[test]
fn what_is_there_is_kept_unless_an_older_recipe_made_it() {
    let made_by = |fingerprint: &str| Presence::StandIn(fingerprint.to_owned());
    assert_eq!(Step::choose(&Presence::Missing, "new", false), Step::Pull);
    assert_eq!(Step::choose(&Presence::Official, "new", false), Step::Keep);
    assert_eq!(Step::choose(&made_by("new"), "new", false), Step::Keep);
    assert_eq!(Step::choose(&made_by("old"), "new", false), Step::Make);
}

#[test]
fn force_makes_everything_anew() {
    for present in [
        Presence::Missing,
        Presence::Official,
        Presence::StandIn("new".to_owned()),
    ] {
        assert_eq!(Step::choose(&present, "new", true), Step::Make);
    }
}

#[test]
fn every_image_that_the_repository_names_has_a_recipe() {
    let recipes = Recipe::all(None).expect("recipes");
    let dockerfile = include_str!("../../../deploy/images/Dockerfile");
    let compose = include_str!("../../../docker-compose.yml");
    let from = dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("FROM "));
    let images = compose
        .lines()
        .filter_map(|line| line.trim().strip_prefix("image: "));
    let names: Vec<_> = from
        .chain(images)
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| name.contains(':'))
        .collect();
    assert!(names.len() >= 4, "{names:?}");
    for name in names {
        assert!(recipes.iter().any(|recipe| recipe.image == name), "{name}");
    }
}

#[test]
fn recipes_have_different_fingerprints_that_stay_the_same() {
    let fingerprints = || -> Vec<String> {
        let recipes = Recipe::all(None).expect("recipes");
        recipes.iter().map(Recipe::fingerprint).collect()
    };
    let mut unique = fingerprints();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), 4);
    assert_eq!(fingerprints(), fingerprints());
}
