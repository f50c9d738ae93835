use std::os::unix::fs::PermissionsExt;

use shop::home::{Home, Secrets};
use shop::registry::Registry;

fn load(home: &Home) -> Secrets {
    Secrets::load_or_create(home, &Registry::of_checkout().unwrap()).unwrap()
}

#[test]
fn passwords_are_made_once_and_only_their_owner_reads_them() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    let first = load(&home);
    let second = load(&home);
    assert_eq!(first.of("postgres").unwrap(), second.of("postgres").unwrap());
    assert_ne!(first.of("postgres").unwrap(), first.of("catalog_owner").unwrap());
    assert_eq!(first.of("postgres").unwrap().len(), 32);

    let mode = std::fs::metadata(dir.path().join("secrets.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_user_that_is_new_gets_a_password_and_the_others_keep_theirs() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    let first = load(&home);
    let file = dir.path().join("secrets.json");
    let mut old: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    old.as_object_mut().unwrap().remove("basket_inbox_reader").unwrap();
    std::fs::write(&file, old.to_string()).unwrap();

    let second = load(&home);
    let of = |secrets: &Secrets, user: &str| secrets.of(user).unwrap().to_owned();
    assert_eq!(of(&second, "basket_inbox_reader").len(), 32);
    for user in ["postgres", "basket_app", "broker_relay"] {
        assert_eq!(of(&second, user), of(&first, user), "{user}");
    }
    assert_eq!(of(&load(&home), "basket_inbox_reader"), of(&second, "basket_inbox_reader"));
}

#[test]
fn no_two_checkouts_share_a_password() {
    let create = || Secrets::create(&Registry::of_checkout().unwrap()).unwrap();
    assert_ne!(create().of("postgres").unwrap(), create().of("postgres").unwrap());
}
