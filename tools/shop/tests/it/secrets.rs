use std::os::unix::fs::PermissionsExt;

use shop::home::{Home, Secrets};

#[test]
fn passwords_are_made_once_and_only_their_owner_reads_them() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    let first = Secrets::load_or_create(&home).unwrap();
    let second = Secrets::load_or_create(&home).unwrap();
    assert_eq!(first.postgres, second.postgres);
    assert_ne!(first.postgres, first.catalog_owner);
    assert_eq!(first.postgres.len(), 32);

    let mode = std::fs::metadata(dir.path().join("secrets.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_checkout_of_before_there_was_an_inbox_reader_gets_its_password_and_keeps_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    let first = Secrets::load_or_create(&home).unwrap();
    let file = dir.path().join("secrets.json");
    let mut old: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    old.as_object_mut().unwrap().remove("basket_inbox_reader").unwrap();
    std::fs::write(&file, old.to_string()).unwrap();

    let second = Secrets::load_or_create(&home).unwrap();
    assert_eq!(second.basket_inbox_reader.len(), 32);
    assert_eq!((&second.postgres, &second.basket_app), (&first.postgres, &first.basket_app));
    assert_eq!(Secrets::load_or_create(&home).unwrap().basket_inbox_reader, second.basket_inbox_reader);
}

#[test]
fn no_two_checkouts_share_a_password() {
    assert_ne!(Secrets::create().unwrap().postgres, Secrets::create().unwrap().postgres);
}
