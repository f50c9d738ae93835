//! `cargo shop down` and `cargo shop reset` in a checkout whose files are damaged.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use shop::home::{Home, Plan};
use shop::process::{Identity, Record};
use tempfile::TempDir;

use crate::identity::Sleeper;

/// A checkout in which something was started.
struct Checkout {
    dir: TempDir,
    home: Home,
}

impl Checkout {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("services.toml"), include_str!("../../../../services.toml")).unwrap();
        // As this process's own directory is called: without symbolic links.
        let home = Home::at(&dir.path().canonicalize().unwrap().join(".shop"));
        home.create().unwrap();
        Self { dir, home }
    }

    /// Starts a process under this name.
    fn start(&self, name: &str) -> (Sleeper, Identity) {
        let (sleeper, process) = Sleeper::start();
        Record { process: process.clone() }.write(&self.home.run(), name).unwrap();
        (sleeper, process)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.dir().join(name)
    }

    fn shop(&self, command: &str) -> (Option<i32>, String) {
        let shop =
            Command::new(env!("CARGO_BIN_EXE_shop")).arg(command).current_dir(self.dir.path()).output();
        let Output { status, stdout, stderr } = shop.unwrap();
        let said = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        (status.code(), said)
    }
}

#[test]
fn down_ends_what_is_recorded_also_without_the_plan() {
    for plan in [None, Some(""), Some("{\"relays\":")] {
        let checkout = Checkout::new();
        if let Some(plan) = plan {
            fs::write(checkout.file("suite.json"), plan).unwrap();
        }
        let started = ["relay", "catalog", "a-service-of-yesterday"].map(|name| checkout.start(name));
        let (code, said) = checkout.shop("down");
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("the shop is down"), "{said}");
        assert!(started.iter().all(|(_, process)| !process.is_alive()), "{said}");
        assert_eq!(said.contains("suite.json is damaged"), plan.is_some(), "{said}");

        let (code, said) = checkout.shop("down");
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("nothing is running here"), "{said}");
    }
}

#[test]
fn down_says_what_it_leaves_and_ends_the_rest() {
    let checkout = Checkout::new();
    let (_relay, relay) = checkout.start("relay");
    let (_catalog, catalog) = checkout.start("catalog");
    let (_basket, basket) = checkout.start("basket");
    fs::write(checkout.file("run/catalog.json"), "{").unwrap();
    fs::remove_file(checkout.file("run/basket.json")).unwrap();

    let (code, said) = checkout.shop("down");
    assert_eq!(code, Some(1), "{said}");
    assert!(!relay.is_alive(), "{said}");
    for (name, process) in [("catalog", &catalog), ("basket", &basket)] {
        assert!(process.is_alive(), "{name} cannot be told from another process by its number: {said}");
        assert!(said.contains(&format!("{name} is left as it is")), "{said}");
        assert!(said.contains(&format!("process {}", process.pid)), "{said}");
    }
    assert!(!said.contains("nothing is running here"), "{said}");
    assert!(checkout.file("run/catalog.pid").is_file() && checkout.file("run/basket.pid").is_file());
}

#[test]
fn a_damaged_record_of_a_process_that_has_ended_is_forgotten() {
    let checkout = Checkout::new();
    drop(checkout.start("relay"));
    fs::write(checkout.file("run/relay.json"), "{").unwrap();
    let (code, said) = checkout.shop("down");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("nothing is running here"), "{said}");
    assert_eq!(fs::read_dir(checkout.home.run()).unwrap().count(), 0);
}

#[test]
fn reset_clears_a_shop_whose_files_are_damaged() {
    let checkout = Checkout::new();
    let (_relay, relay) = checkout.start("relay");
    let (_catalog, catalog) = checkout.start("catalog");
    for file in ["suite.json", "ports.json", "secrets.json", "run/catalog.json"] {
        fs::write(checkout.file(file), "{").unwrap();
    }
    let (code, said) = checkout.shop("reset");
    assert_eq!(code, Some(0), "{said}");
    assert!(!relay.is_alive(), "{said}");
    assert!(said.contains("catalog is left as it is") && catalog.is_alive(), "{said}");
    assert!(!checkout.home.dir().exists(), "{said}");
}

#[test]
fn neither_down_nor_reset_touches_the_shop_that_this_one_is_a_copy_of() {
    let [other, copy] = [(); 2].map(|()| Checkout::new());
    let plan = Plan { home: other.home.dir().to_owned(), ..Plan::default() };
    for checkout in [&other, &copy] {
        plan.save(&checkout.home).unwrap();
    }
    let (_relay, relay) = copy.start("relay");
    for command in ["down", "reset"] {
        let (code, said) = copy.shop(command);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("is a copy of") && relay.is_alive(), "{said}");
    }
}
