use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};
use shop::process::{Identity, Record, kill};

/// A process that sleeps until it is killed.
pub(crate) struct Sleeper(std::process::Child);

impl Sleeper {
    pub(crate) fn start() -> (Self, Identity) {
        let child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
        let identity = Identity::of(child.id()).unwrap();
        (Self(child), identity)
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// The same process id in the hands of a process that started at another moment.
fn recycled(identity: &Identity) -> Identity {
    let mut text: Value = serde_json::to_value(identity).unwrap();
    text["started"] = json!(text["started"].as_u64().unwrap() - 1);
    serde_json::from_value(text).unwrap()
}

#[test]
fn a_process_is_known_again() {
    let (sleeper, identity) = Sleeper::start();
    assert!(identity.is_alive());
    drop(sleeper);
    assert!(!identity.is_alive());
}

#[test]
fn a_process_that_was_given_a_recycled_number_is_left_alone() {
    let (mut sleeper, identity) = Sleeper::start();
    let before = recycled(&identity);
    assert!(!before.is_alive());
    assert!(!before.signal(Signal::KILL).unwrap());
    assert!(!kill(&before).unwrap());
    assert!(sleeper.0.try_wait().unwrap().is_none(), "the innocent process was killed");
}

#[test]
fn a_process_of_an_earlier_boot_is_gone() {
    let (_sleeper, identity) = Sleeper::start();
    let mut text = serde_json::to_value(&identity).unwrap();
    text["boot"] = json!("00000000-0000-0000-0000-000000000000");
    let earlier: Identity = serde_json::from_value(text).unwrap();
    assert!(!earlier.is_alive());
}

#[test]
fn a_killed_process_is_gone_even_before_its_parent_takes_notice() {
    let (_sleeper, identity) = Sleeper::start();
    assert!(kill(&identity).unwrap());
    assert!(!identity.is_alive(), "a zombie does not run");
    assert!(!kill(&identity).unwrap(), "it can be killed only once");
}

#[test]
fn a_frozen_process_is_alive_and_known_to_be_frozen_until_it_goes_on() {
    let (_sleeper, identity) = Sleeper::start();
    assert!(!identity.is_frozen());
    assert!(identity.signal(Signal::STOP).unwrap());
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !identity.is_frozen() {
        assert!(std::time::Instant::now() < deadline, "it does not freeze");
        std::thread::yield_now();
    }
    assert!(identity.is_alive());
    assert!(identity.signal(Signal::CONT).unwrap());
    while identity.is_frozen() {
        assert!(std::time::Instant::now() < deadline, "it does not go on");
        std::thread::yield_now();
    }
}

#[test]
fn a_record_is_a_number_for_people_and_an_identity_for_us() {
    let run = tempfile::tempdir().unwrap();
    let (_sleeper, process) = Sleeper::start();
    let record = Record { process: process.clone() };
    record.write(run.path(), "relay").unwrap();

    let number = std::fs::read_to_string(run.path().join("relay.pid")).unwrap();
    assert_eq!(number, format!("{}\n", process.pid));
    assert_eq!(Record::read(run.path(), "relay").unwrap(), Some(record));

    Record::remove(run.path(), "relay").unwrap();
    Record::remove(run.path(), "relay").unwrap();
    assert_eq!(Record::read(run.path(), "relay").unwrap(), None);
    assert_eq!(std::fs::read_dir(run.path()).unwrap().count(), 0);
}
