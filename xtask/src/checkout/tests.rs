use super::*;

fn checkout() -> (tempfile::TempDir, Checkout) {
    let directory = tempfile::tempdir().unwrap();
    let checkout = Checkout::at(directory.path()).unwrap();
    (directory, checkout)
}

#[test]
fn two_checkouts_have_two_identities() {
    let (_first, first) = checkout();
    let (_second, second) = checkout();
    assert_ne!(first.identity(), second.identity());
    assert_eq!(first.identity(), first.clone().identity());
    assert_eq!(first.identity().len(), 12);
}

#[test]
fn a_second_holder_of_the_lock_is_told_who_has_it() {
    let (_directory, checkout) = checkout();
    let held = checkout.lock("dev").unwrap();
    let refusal = checkout.lock("dev").unwrap_err().to_string();
    assert!(
        refusal.contains("`cargo xtask dev` already runs"),
        "{refusal}"
    );
    assert!(
        refusal.contains(&std::process::id().to_string()),
        "{refusal}"
    );
    drop(held);
    checkout.lock("dev").unwrap();
}

#[test]
fn the_runtime_directory_is_private_and_goes_with_its_owner() {
    let (_directory, checkout) = checkout();
    let runtime = checkout.runtime("unit").unwrap();
    let path = runtime.path().to_owned();
    fs::write(path.join("left"), "over").unwrap();
    assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o700);
    drop(runtime);
    assert!(!path.exists());
}

#[test]
fn a_link_in_place_of_the_runtime_directory_is_refused() {
    let (directory, checkout) = checkout();
    let runtime = checkout.runtime("link").unwrap();
    let path = runtime.path().to_owned();
    drop(runtime);
    std::os::unix::fs::symlink(directory.path(), &path).unwrap();
    let refusal = checkout.runtime("link").unwrap_err().to_string();
    fs::remove_file(&path).unwrap();
    assert!(refusal.contains("is in the way"), "{refusal}");
}
