use std::fs::OpenOptions;
use std::io::Write;

use shop::terminal::{Follower, tail};

#[test]
fn the_last_lines_of_a_long_log_are_whole() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("relay.log");
    let lines: Vec<String> = (0..100_000).map(|number| format!("line {number}")).collect();
    std::fs::write(&log, lines.join("\n") + "\n").unwrap();
    assert_eq!(tail(&log, 2).unwrap(), ["line 99998", "line 99999"]);
    assert!(tail(&log, usize::MAX).unwrap().iter().all(|line| line.starts_with("line ")));
}

#[test]
fn a_log_that_is_not_there_has_no_lines() {
    let dir = tempfile::tempdir().unwrap();
    assert!(tail(&dir.path().join("none.log"), 5).unwrap().is_empty());
}

#[test]
fn a_follower_shows_finished_lines_once_and_notices_a_log_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("relay.log");
    std::fs::write(&log, "old\n").unwrap();
    let mut follower = Follower::from_end(&log);
    assert!(follower.new_lines().unwrap().is_empty());

    let mut file = OpenOptions::new().append(true).open(&log).unwrap();
    file.write_all(b"first\nsec").unwrap();
    assert_eq!(follower.new_lines().unwrap(), ["first"]);
    file.write_all(b"ond\n").unwrap();
    assert_eq!(follower.new_lines().unwrap(), ["second"]);

    std::fs::write(&log, "new\n").unwrap();
    assert_eq!(follower.new_lines().unwrap(), ["new"]);
}
