//! Showing that something is going on: a spinner on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::complain;
use indicatif::{ProgressBar, ProgressStyle};

/// How often a long step is mentioned where there is no spinner.
const REMINDER: Duration = Duration::from_secs(15);

/// What `cargo shop` says while it works, on standard error. May be shared by threads.
#[derive(Debug)]
pub struct Progress {
    terminal: bool,
    screen: Mutex<Screen>,
}

#[derive(Debug, Default)]
struct Screen {
    /// Lines that wait until another program has finished drawing; `None` if no other program draws.
    held: Option<Vec<String>>,
    /// The spinner that is drawn now.
    spinner: Option<ProgressBar>,
}

impl Progress {
    /// Speaks as standard error allows.
    pub fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), screen: Mutex::default() }
    }

    /// Says one line.
    pub fn say(&self, line: impl Into<String>) {
        self.with_screen(|screen| match screen {
            Screen { held: Some(lines), .. } => lines.push(line.into()),
            Screen { spinner: Some(spinner), .. } => spinner.println(line.into()),
            Screen { .. } => complain(line.into()),
        });
    }

    /// Keeps lines back while `work` runs another program (cargo) that draws on the terminal itself.
    pub fn hold<T>(&self, work: impl FnOnce() -> T) -> T {
        self.with_screen(|screen| screen.held = Some(Vec::new()));
        let result = work();
        let lines = self.with_screen(|screen| screen.held.take()).unwrap_or_default();
        for line in lines {
            self.say(line);
        }
        result
    }

    /// Shows `what` while `work` runs, then a line `done` with the time it took, or nothing if it failed.
    ///
    /// `work` gets a function that shows what it is busy with.
    pub fn during<T, E>(
        &self,
        what: &str,
        work: impl FnOnce(&dyn Fn(&str)) -> Result<T, E>,
        done: impl FnOnce(&T) -> String,
    ) -> Result<T, E> {
        let started = Instant::now();
        let spinner = self.begin(what);
        let mentioned = Mutex::new(started);
        let busy_with = |detail: &str| {
            if let Some(spinner) = &spinner {
                spinner.set_message(format!("{what}: {detail}"));
                return;
            }
            let mut mentioned = mentioned.lock().unwrap_or_else(PoisonError::into_inner);
            if !self.terminal && mentioned.elapsed() > REMINDER {
                self.say(format!("  … {what}: {detail} ({} s)", started.elapsed().as_secs()));
                *mentioned = Instant::now();
            }
        };
        let result = work(&busy_with);
        self.end(spinner);
        if let Ok(value) = &result {
            self.say(format!("  ✓ {} ({:.1} s)", done(value), started.elapsed().as_secs_f32()));
        }
        result
    }

    /// Shows `what` while `work` runs; what `work` itself says is all that is left of it.
    pub fn wait<T>(&self, what: &str, work: impl FnOnce() -> T) -> T {
        let spinner = self.terminal.then(|| self.begin(what)).flatten();
        let result = work();
        self.end(spinner);
        result
    }

    fn end(&self, spinner: Option<ProgressBar>) {
        if let Some(spinner) = spinner {
            spinner.finish_and_clear();
            self.with_screen(|screen| screen.spinner = None);
        }
    }

    /// Draws a spinner, unless another program draws or there is no terminal.
    fn begin(&self, what: &str) -> Option<ProgressBar> {
        let is_free = self.with_screen(|screen| screen.held.is_none() && screen.spinner.is_none());
        if !is_free {
            return None;
        }
        if !self.terminal {
            self.say(format!("  … {what}"));
            return None;
        }
        let spinner = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("  {spinner} {wide_msg} {elapsed}") {
            spinner.set_style(style);
        }
        spinner.set_message(what.to_owned());
        spinner.enable_steady_tick(Duration::from_millis(100));
        self.with_screen(|screen| screen.spinner = Some(spinner.clone()));
        Some(spinner)
    }

    fn with_screen<T>(&self, change: impl FnOnce(&mut Screen) -> T) -> T {
        change(&mut self.screen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}
