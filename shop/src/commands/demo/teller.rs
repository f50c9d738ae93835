//! How the story is printed.

use std::time::Instant;

/// Numbers the steps, and says how long each took.
pub(super) struct Teller {
    step: usize,
    began: Instant,
}

impl Teller {
    /// Begins the story.
    pub(super) fn new() -> Self {
        Self { step: 0, began: Instant::now() }
    }

    /// Says what is going to be done, and how to do it by hand.
    pub(super) fn step(&mut self, title: &str, by_hand: &str) -> Step {
        self.step += 1;
        println!("{}. {title}", self.step);
        for line in by_hand.lines() {
            println!("   $ {line}");
        }
        Step(Instant::now())
    }

    /// Says how it ended.
    pub(super) fn end(&self, sentence: &str) {
        println!("{sentence} Told in {:.1} s.", self.began.elapsed().as_secs_f32());
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
        println!("   → {what} ({took})\n");
    }
}
