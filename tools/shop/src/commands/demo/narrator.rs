//! How the story is printed.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use crate::terminal::{self, Interrupt};

/// How long a reader gets before the next step, where there is a reader.
const BREATH: Duration = Duration::from_millis(2500);

/// Numbers the steps, and says how long each took.
pub(super) struct Narrator<'a> {
    step: usize,
    began: Instant,
    interrupt: &'a Interrupt,
}

impl<'a> Narrator<'a> {
    /// Begins the story.
    pub(super) fn new(interrupt: &'a Interrupt) -> Self {
        Self { step: 0, began: Instant::now(), interrupt }
    }

    /// Says what is going to be done, and how to do it by hand.
    pub(super) fn step(&mut self, title: &str, by_hand: &str) -> Step {
        self.step += 1;
        self.take_breath();
        terminal::say(format!("{}. {title}", self.step));
        for line in by_hand.lines() {
            terminal::say(format!("   $ {line}"));
        }
        Step(Instant::now())
    }

    fn take_breath(&self) {
        let until = Instant::now() + BREATH;
        while std::io::stdout().is_terminal() && Instant::now() < until && self.interrupt.count() == 0 {
            terminal::pause();
        }
    }

    /// Says how it ended.
    pub(super) fn end(&self, sentence: &str) {
        terminal::say(format!("{sentence} Told in {:.1} s.", self.began.elapsed().as_secs_f32()));
    }
}

/// A step that has begun.
pub(super) struct Step(Instant);

impl Step {
    /// Says what came of it, and how long it took.
    pub(super) fn done(self, what: &str) {
        let took = self.0.elapsed();
        let took = if took.as_secs() < 1 {
            format!("{} ms", took.as_millis())
        } else {
            format!("{:.1} s", took.as_secs_f32())
        };
        terminal::say(format!("   → {what} ({took})\n"));
    }
}
