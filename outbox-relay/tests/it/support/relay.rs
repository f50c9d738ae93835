//! The relay's process.

use std::{
    ops::{Deref, DerefMut},
    process::{Command, Stdio},
    time::Duration,
};

use test_kit::Process;

/// How a relay is to be started.
pub(crate) struct Setup(Command);

/// A running relay, and an operator who asks it things.
pub(crate) struct Relay(Process);

impl Setup {
    pub(crate) fn new(database_url: &str, broker_url: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outbox-relay"));
        command
            .env_clear()
            .env("APP__MODE", "development")
            .env("APP__HTTP__PORT", "0")
            .env("APP__AUTH__SECRET", "shop-development-secret-not-for-production")
            .env("APP__BROKER__URL", broker_url)
            .env("APP__DATABASES__TEST__URL", database_url);
        Self(command)
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    /// Runs an operator's command and returns its exit code and what it printed.
    pub(crate) fn output(mut self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.0.args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    /// Runs an operator's command for a reader that has gone; returns its exit code and its complaints.
    pub(crate) fn unread(mut self, arguments: &[&str]) -> (i32, String) {
        let mut child = self.0.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        (output.status.code().unwrap_or(-1), String::from_utf8(output.stderr).unwrap())
    }

    /// Starts the relay and waits until it says where it listens.
    pub(crate) fn start(self) -> Relay {
        Relay(Process::start("relay", self.0))
    }
}

impl Relay {
    /// Asks a route with an operator's token.
    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.send(reqwest::Client::new().get(format!("{}{path}", self.url))).await
    }

    pub(crate) async fn post(&self, path: &str, body: &serde_json::Value) -> reqwest::Response {
        self.send(reqwest::Client::new().post(format!("{}{path}", self.url)).json(body)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> reqwest::Response {
        let limit = Duration::from_secs(10);
        request.bearer_auth(test_kit::token("olga", "ops")).timeout(limit).send().await.unwrap()
    }
}

impl Deref for Relay {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.0
    }
}

impl DerefMut for Relay {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.0
    }
}
