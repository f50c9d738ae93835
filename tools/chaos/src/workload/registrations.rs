//! People who register.

use std::{
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reqwest::{Client, StatusCode};
use serde_json::json;

use super::{
    clients::OnItsWay,
    counters::{Counters, known},
};

/// What all their addresses end with, and all their passwords begin with: it must be found nowhere that it does not belong.
pub(crate) const DOMAIN: &str = "@chaos-users.example";
pub(crate) const SECRET: &str = "chaos-secret-";

/// The pause between two registrations of one client, in milliseconds.
const PAUSE: Range<u64> = 150..400;

/// The addresses whose registration was accepted.
#[derive(Debug, Default)]
pub(crate) struct Registrations(Mutex<Vec<String>>);

impl Registrations {
    /// The addresses so far.
    pub(crate) fn promised(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Registers one person after another, each once.
pub(super) struct Registrant {
    pub(super) client: Client,
    /// Where.
    pub(super) url: String,
    /// What tells its people from those of others.
    pub(super) name: String,
    pub(super) rng: fastrand::Rng,
    pub(super) counters: Arc<Counters>,
    pub(super) registrations: Arc<Registrations>,
}

impl Registrant {
    /// Works until it is dropped.
    pub(super) async fn work(mut self) {
        for number in 0_u32.. {
            let email = format!("{}-{number}{DOMAIN}", self.name);
            let password = format!("{SECRET}{}-{number}", self.name);
            let body = json!({"userName": format!("Chaos {number}"), "email": email, "password": password});
            let on_its_way = OnItsWay(&self.counters);
            let answer = self.client.post(&self.url).json(&body).send().await;
            on_its_way.ended(known(&answer));
            if answer.is_ok_and(|answer| answer.status() == StatusCode::ACCEPTED) {
                self.registrations.0.lock().unwrap_or_else(PoisonError::into_inner).push(email);
            }
            let pause = self.rng.u64(PAUSE);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }
}
