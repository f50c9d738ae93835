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
fn no_two_checkouts_share_a_password() {
    assert_ne!(Secrets::create().unwrap().postgres, Secrets::create().unwrap().postgres);
}
