//! Whether the service can do its work now.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

type Check = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>> + Send + Sync>;

/// The checks behind `/health/ready`. None: ready as soon as the server runs.
#[derive(Clone, Default)]
pub struct Readiness(Vec<(&'static str, Check)>);

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
        self.0.push((name, Arc::new(move || Box::pin(check()))));
        self
    }

    /// Runs all checks, in order; says for each whether it passed.
    pub(super) async fn run(&self) -> Vec<(&'static str, bool)> {
        let mut results = Vec::with_capacity(self.0.len());
        for (name, check) in &self.0 {
            let passed = check().await.inspect_err(|error| {
                tracing::warn!(check = name, error = format!("{error:#}"), "not ready");
            });
            results.push((*name, passed.is_ok()));
        }
        results
    }
}
