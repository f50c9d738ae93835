//! A service that does not become ready: a program that only sleeps.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::bail;
use shop::home::{Home, Lock, Plan, Port, Ports, Secrets};
use shop::process::kill;
use shop::registry::{Counts, Name, Registry};
use shop::servers::Tools;
use shop::suite::{State, Suite};
use shop::terminal::{Interrupt, Interrupted};

/// A suite in this directory whose catalog never answers.
fn suite(dir: &Path) -> Suite {
    let home = Home::at(dir);
    home.create().unwrap();
    let program = dir.join("catalog-api");
    fs::write(&program, "#!/bin/sh\nexec sleep 600\n").unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let registry = Registry::of_checkout().unwrap();
    let listeners = Port::of_all(&registry, registry.processes(Counts::default()));
    let mut ports = Ports::default();
    ports.assign(&registry, &listeners, 4400).unwrap();
    let secrets = Secrets::create(&registry).unwrap();
    let plan = Plan { binaries: BTreeMap::from([("catalog-api".to_owned(), program)]), ..Plan::default() };
    Suite { home, registry, plan, ports, secrets }
}

fn no_tools() -> anyhow::Result<Tools> {
    bail!("a service needs no server's programs")
}

#[test]
fn a_service_that_is_not_ready_in_time_goes_on_and_other_commands_need_not_wait_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let suite = suite(dir.path());
    let interrupt = Interrupt::default();
    let lock = Lock::take(&suite.home, &interrupt).unwrap();
    let mut was_free = false;
    let ended = suite.start_alone(Name::CATALOG, &no_tools, &interrupt, || {
        assert!(matches!(suite.state(Name::CATALOG).unwrap(), State::Running(_)), "it is recorded by then");
        drop(lock);
        was_free = Lock::take(&suite.home, &Interrupt::default()).is_ok();
        // The wait is over.
        interrupt.abandon();
    });
    assert!(was_free);
    let error = ended.unwrap_err();
    assert!(error.is::<Interrupted>() && format!("{error:#}").contains("did not become ready"), "{error:#}");
    let State::Running(process) = suite.state(Name::CATALOG).unwrap() else { panic!("it was ended") };
    assert!(kill(&process).unwrap());
}

#[test]
fn a_service_that_does_not_become_ready_while_everything_comes_up_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let suite = suite(dir.path());
    let interrupt = Interrupt::default();
    interrupt.abandon();
    let error = suite.start_service(Name::CATALOG, &interrupt).unwrap_err();
    assert!(error.is::<Interrupted>(), "{error:#}");
    assert!(matches!(suite.state(Name::CATALOG).unwrap(), State::Died(_)));
}
