//! The browser's process.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::Page;

/// How long the browser may take to start; the first time, its packages are installed as well.
const START: Duration = Duration::from_mins(5);

/// How long a command may take: longer than the driver's own deadline for it.
const COMMAND: Duration = Duration::from_secs(40);

/// A browser without a window. If the test fails, its pages are kept as pictures under `target/browser/failed`.
pub struct Browser {
    driver: Arc<Mutex<Driver>>,
}

pub(super) struct Driver {
    child: Child,
    input: ChildStdin,
    answers: Receiver<String>,
}

impl Browser {
    /// Starts it.
    ///
    /// # Panics
    /// When there is no Chromium, no Node.js, or its packages cannot be installed.
    pub fn start() -> Self {
        let mut command = Command::new("node");
        command.arg(folder().join("driver.mjs")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("Node.js: run the tests with `cargo shop test`");
        let output = child.stdout.take().expect("its output is a pipe");
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            lines.into_iter().all(|line| sender.send(line).is_ok())
        });
        let input = child.stdin.take().expect("its input is a pipe");
        let driver = Driver { child, input, answers };
        driver.answer(START, "to start");
        Self { driver: Arc::new(Mutex::new(driver)) }
    }

    /// Opens a page with a session of its own on the site at `base`, 1280 pixels wide.
    pub fn open(&self, name: &str, base: &str) -> Page {
        self.open_with(name, &json!({"base": base}))
    }

    /// The same on a phone: 390 pixels wide.
    pub fn open_phone(&self, name: &str, base: &str) -> Page {
        self.open_with(name, &json!({"base": base, "width": 390, "height": 844}))
    }

    /// The same with scripts turned off.
    pub fn open_without_script(&self, name: &str, base: &str) -> Page {
        self.open_with(name, &json!({"base": base, "script": false}))
    }

    /// Another tab, in the session of a page that is open.
    pub fn open_beside(&self, name: &str, other: &Page) -> Page {
        self.open_with(name, &json!({"beside": other.name()}))
    }

    fn open_with(&self, name: &str, how: &Value) -> Page {
        let page = Page::new(name, Arc::clone(&self.driver));
        page.run("open", how);
        page
    }
}

impl Driver {
    /// Has a command done.
    pub(super) fn run(&mut self, command: &Value) -> Value {
        writeln!(self.input, "{command}").expect("the driver listens");
        self.answer(COMMAND, &command.to_string())
    }

    fn answer(&self, within: Duration, what: &str) -> Value {
        let line = self.answers.recv_timeout(within);
        let line = line.unwrap_or_else(|error| panic!("the browser did not answer: {what} ({error})"));
        let answer: Value = serde_json::from_str(&line).expect("an answer is JSON");
        if let Some(error) = answer["error"].as_str() {
            panic!("the browser could not do {what}: {error}");
        }
        answer["ok"].clone()
    }

    fn keep_pictures(&mut self) {
        let test = std::thread::current().name().unwrap_or("test").replace("::", "-");
        let folder = target().join("browser/failed");
        let command = json!({"do": "screenshots", "folder": folder, "name": test});
        if writeln!(self.input, "{command}").is_ok()
            && let Ok(files) = self.answers.recv_timeout(COMMAND)
        {
            eprintln!("the pages as they were: {files}");
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let mut driver = self.driver.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if std::thread::panicking() {
            driver.keep_pictures();
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Playwright ends the browser when its driver is asked to end; a driver that hangs is killed.
        let pid = self.child.id().to_string();
        drop(Command::new("kill").args(["-TERM", &pid]).status());
        for _ in 0..100 {
            if self.child.try_wait().is_ok_and(|status| status.is_some()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("browser")
}

/// The build directory: the tests' own program is in it.
fn target() -> PathBuf {
    let test = std::env::current_exe().expect("a path of one's own");
    test.ancestors().nth(3).expect("target/<profile>/deps/<test>").to_owned()
}
