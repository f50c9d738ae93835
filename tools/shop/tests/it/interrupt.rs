use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid, kill_process};
use shop::home::{Home, Lock};
use shop::terminal::{Interrupt, Interrupted};

/// Asks this process to stop, and waits until it has noticed.
fn press(interrupt: &Interrupt) {
    let before = interrupt.count();
    kill_process(getpid(), Signal::INT).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while interrupt.count() == before {
        assert!(Instant::now() < deadline, "Ctrl-C is not noticed");
        std::thread::yield_now();
    }
}

#[test]
fn a_second_ctrl_c_ends_the_wait_for_another_command_that_began_with_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    let _other = Lock::take(&home, &Interrupt::default()).unwrap();
    let interrupt = Interrupt::install().unwrap();
    press(&interrupt);
    let wait = interrupt.second();
    assert_eq!((interrupt.check(), wait.check()), (Err(Interrupted), Ok(())), "it goes on waiting");

    press(&interrupt);
    let ended = Lock::take(&home, &wait).unwrap_err();
    assert!(ended.is::<Interrupted>(), "{ended:#}");
}
