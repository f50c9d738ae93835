//! A program of the shop in a thread of the test.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use service_kit::app::ServiceApp;
use service_kit::settings::load_service_from;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::setting;

/// A program that runs until this is dropped.
pub struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Running {
    /// Starts it on a free port, for development, with these settings over the usual ones.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start<S>(app: fn() -> ServiceApp<S>, own: &[(&str, &str)]) -> Self
    where
        S: DeserializeOwned + ToSchema + Send + 'static,
    {
        let usual = [
            ("APP__MODE", "development"),
            ("APP__HTTP__PORT", "0"),
            ("APP__HTTP__WORKERS", "1"),
            ("APP__HTTP__SHUTDOWN_TIMEOUT_SECONDS", "1"),
            ("APP__AUTH__SECRET", service_kit::auth::DEVELOPMENT_SECRET),
        ];
        let settings = usual.iter().chain(own).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let settings = load_service_from(None, settings.collect::<HashMap<_, _>>()).unwrap();
        let stop = CancellationToken::new();
        let (bound, address) = mpsc::channel();
        let token = stop.clone();
        let thread = thread::spawn(move || {
            // A runtime of its own, as a process has: it also ends when the test fails.
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
                let running = app().start(settings, &token)?;
                bound.send(running.address())?;
                running.run().await
            })
        });
        let address = address.recv().unwrap_or_else(|_| panic!("the program does not listen"));
        Self { address, stop, thread: Some(thread) }
    }

    /// Its base address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Asks it to stop.
    pub fn begin_stop(&self) {
        self.stop.cancel();
    }

    /// Stops it, and expects it to end by itself, soon and well.
    ///
    /// # Panics
    /// When it does not.
    pub fn stop(mut self) {
        let started = Instant::now();
        self.begin_stop();
        let thread = self.thread.take().expect("it runs");
        thread.join().expect("it does not panic").expect("it ends well");
        assert!(started.elapsed() < Duration::from_secs(5), "it took {:?}", started.elapsed());
    }
}

/// The address of a test's database for a session with the rights and limits of the role that a service
/// serves with.
///
/// # Panics
/// When there is no test server.
pub fn app_url(pool: &PgPool, role: &str) -> String {
    let server = setting("DATABASE_URL");
    let server = server.rsplit_once('/').expect("DATABASE_URL names a database").0.to_owned();
    let options = pool.connect_options();
    let database = options.get_database().expect("the test has a database");
    format!("{server}/{database}?options=-c%20role={role}%20-c%20statement_timeout=5s%20-c%20lock_timeout=2s")
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
