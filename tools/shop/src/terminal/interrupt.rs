//! Ctrl-C, SIGTERM and a closed terminal: noticed, never fatal by themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Counts the times that the user asked to stop.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    count: Arc<AtomicUsize>,
    terminate: Arc<AtomicUsize>,
    abandoned: Arc<AtomicBool>,
    /// How many of the times it takes no notice of.
    passed: usize,
}

/// The error of a wait that the user cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

impl Interrupt {
    /// Takes the signals over from their default, which would end this process and leave its children behind.
    pub fn install() -> Result<Self> {
        let interrupt = Self::default();
        let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])
            .context("cannot listen for Ctrl-C")?;
        let seen = interrupt.clone();
        std::thread::spawn(move || {
            for signal in signals.forever() {
                seen.count.fetch_add(1, Ordering::SeqCst);
                if signal != SIGINT {
                    seen.terminate.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        Ok(interrupt)
    }

    /// How often the user has asked so far.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst).saturating_sub(self.passed)
    }

    /// Whether one of the signals was meant for this process alone (anything but the terminal's Ctrl-C).
    pub fn is_termination(&self) -> bool {
        self.terminate.load(Ordering::SeqCst) > 0
    }

    /// One that hears of the user's wish as this one does, and can be abandoned by itself.
    #[must_use]
    pub fn linked(&self) -> Self {
        Self { abandoned: Arc::default(), ..self.clone() }
    }

    /// One for what begins because the user has asked to stop: it takes no notice of the first time, and hears of the
    /// second.
    #[must_use]
    pub fn second(&self) -> Self {
        Self { passed: self.passed + 1, ..self.clone() }
    }

    /// Gives up what this one is for, as if the user had asked.
    pub fn abandon(&self) {
        self.abandoned.store(true, Ordering::SeqCst);
    }

    /// Fails with [`Interrupted`] once the user has asked to stop, or this was abandoned.
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.count() > 0 || self.abandoned.load(Ordering::SeqCst) { Err(Interrupted) } else { Ok(()) }
    }
}
