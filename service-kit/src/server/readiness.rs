//! Whether the service can do its work now.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

type Check = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>> + Send + Sync>;

type State = Arc<dyn Fn() -> bool + Send + Sync>;

/// The checks behind `/health/ready`. None: ready as soon as the server runs.
#[derive(Clone, Default)]
pub struct Readiness {
    checks: Vec<(&'static str, Check)>,
    shown: Vec<(&'static str, State)>,
    warned: Vec<(&'static str, State)>,
}

impl Readiness {
    /// No checks yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check; it must have a deadline of its own. Its error goes to the log, not to the caller.
    #[must_use]
    pub fn check<F, R>(mut self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.checks.push((name, Arc::new(move || Box::pin(check()))));
        self
    }

    /// Adds something that is shown beside the checks and that the service is ready without, such as a
    /// connection to the broker.
    #[must_use]
    pub fn show(mut self, name: &'static str, is_well: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.shown.push((name, Arc::new(is_well)));
        self
    }

    /// Adds something that is shown only while it is not well.
    #[must_use]
    pub fn warn(mut self, name: &'static str, is_well: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.warned.push((name, Arc::new(is_well)));
        self
    }

    /// Says for each thing that is only shown whether it is well.
    pub(super) fn shown(&self) -> impl Iterator<Item = (&'static str, bool)> {
        let warned = self.warned.iter().map(|(name, is_well)| (*name, is_well()));
        let shown = self.shown.iter().map(|(name, is_well)| (*name, is_well()));
        shown.chain(warned.filter(|(_, is_well)| !is_well))
    }

    /// Runs all checks, in order; says for each whether it passed.
    pub(super) async fn run(&self) -> Vec<(&'static str, bool)> {
        let mut results = Vec::with_capacity(self.checks.len());
        for (name, check) in &self.checks {
            let passed = check().await.inspect_err(|error| {
                tracing::warn!(check = name, error = format!("{error:#}"), "not ready");
            });
            results.push((*name, passed.is_ok()));
        }
        results
    }
}
