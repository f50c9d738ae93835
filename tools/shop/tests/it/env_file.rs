use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use shop::home::{EnvFile, Home, Plan, Port, Ports, Secrets};
use shop::registry::{Counts, Registry};
use shop::suite::Suite;

fn suite(home: &Home) -> Suite {
    let registry = Registry::of_checkout().unwrap();
    let listeners = Port::of_all(&registry, registry.processes(Counts::default()));
    let mut ports = Ports::default();
    ports.assign(&registry, &listeners, 4000).unwrap();
    let secrets = Secrets::create(&registry).unwrap();
    Suite { home: home.clone(), registry, plan: Plan::default(), ports, secrets }
}

#[test]
fn the_env_file_has_every_promised_name_and_only_its_owner_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    suite(&home).env_file().unwrap().save(&home).unwrap();

    let names: Vec<String> = std::fs::read_to_string(dir.path().join("env"))
        .unwrap()
        .lines()
        .map(|line| line.split_once('=').unwrap().0.to_owned())
        .collect();
    assert_eq!(
        names,
        [
            "CATALOG_URL",
            "BASKET_URL",
            "ORDERING_URL",
            "PAYMENT_URL",
            "ACCOUNTS_URL",
            "NOTIFIER_URL",
            "PAYMENT_SANDBOX_URL",
            "MAILBOX_URL",
            "RELAY_URL",
            "STOREFRONT_URL",
            "AMQP_URL",
            "RABBITMQ_MANAGEMENT_URL",
            "CATALOG_DATABASE_URL",
            "BASKET_DATABASE_URL",
            "ORDERING_DATABASE_URL",
            "PAYMENT_DATABASE_URL",
            "ACCOUNTS_DATABASE_URL",
            "NOTIFIER_DATABASE_URL",
            "BUYER_TOKEN",
            "OPS_TOKEN",
        ]
    );
    let mode = std::fs::metadata(dir.path().join("env")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_shell_reads_back_exactly_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    suite(&home).env_file().unwrap().save(&home).unwrap();
    let written = EnvFile::load(&home).unwrap();

    for (name, value) in written {
        let script = format!(". ./env; printf %s \"${name}\"");
        let output = Command::new("sh").args(["-euc", &script]).current_dir(dir.path()).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), value, "{name}");
    }
}

#[test]
fn the_env_file_names_the_owners_and_the_administrator() {
    let dir = tempfile::tempdir().unwrap();
    let text = suite(&Home::at(dir.path())).env_file().unwrap().text();
    assert!(text.contains("CATALOG_DATABASE_URL=postgres://catalog_owner:"), "{text}");
    assert!(text.contains("BASKET_DATABASE_URL=postgres://basket_owner:"), "{text}");
    assert!(text.contains("AMQP_URL=amqp://admin:"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("AMQP_URL=") && line.ends_with("/shop")), "{text}");
}

#[test]
fn a_value_that_a_shell_would_take_apart_is_refused() {
    for value in ["a b", "$HOME", "a;b", "`id`", "a\nb", "'"] {
        assert!(EnvFile::default().set("NAME", value.to_owned()).is_err(), "{value:?} was taken");
    }
}
