//! The relay's process.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    time::Duration,
};

use test_kit::eventually;

use super::LONG;

/// How a relay is to be started.
pub struct Setup(Command);

/// A running relay; killed when dropped.
pub struct Relay {
    child: Child,
    pub address: String,
}

impl Setup {
    pub fn new(database_url: &str, broker_url: &str) -> Self {
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

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    /// Runs an operator's command and returns its exit code and what it printed.
    pub fn output(mut self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.0.args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    /// Starts the relay and waits until it says where it listens.
    pub fn start(mut self) -> Relay {
        let child = self.0.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut relay = Relay { child, address: String::new() };
        let (sender, address) = mpsc::channel();
        for output in [
            Box::new(relay.child.stdout.take().unwrap()) as Box<dyn std::io::Read + Send>,
            Box::new(relay.child.stderr.take().unwrap()),
        ] {
            let sender = sender.clone();
            // Reads on to the end: a relay must not stop because nobody reads its log.
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    println!("relay: {line}");
                    if let Some((_, rest)) = line.split_once("address=") {
                        drop(sender.send(rest.split_whitespace().next().unwrap_or_default().to_owned()));
                    }
                }
            });
        }
        let address = address.recv_timeout(LONG).expect("the relay says where it listens");
        relay.address = format!("http://{address}");
        relay
    }
}

impl Relay {
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Waits until the process ends by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        eventually("the relay ends", LONG, async || self.child.try_wait().unwrap()).await
    }

    /// Asks a route with an operator's token.
    pub async fn get(&self, path: &str) -> reqwest::Response {
        reqwest::Client::new()
            .get(format!("{}{path}", self.address))
            .bearer_auth(test_kit::token("olga", "ops"))
            .timeout(Duration::from_secs(10))
            .send()
            .await
            .unwrap()
    }

    pub async fn post(&self, path: &str, body: &serde_json::Value) -> reqwest::Response {
        reqwest::Client::new()
            .post(format!("{}{path}", self.address))
            .bearer_auth(test_kit::token("olga", "ops"))
            .json(body)
            .timeout(Duration::from_secs(10))
            .send()
            .await
            .unwrap()
    }

    /// Waits until the relay says that it is ready, or that it is not.
    pub async fn until_ready(&self, ready: bool) {
        let status = if ready { 200 } else { 503 };
        eventually(&format!("/health/ready answers {status}"), LONG, async || {
            (self.get("/health/ready").await.status() == status).then_some(())
        })
        .await;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
