//! A TCP proxy between a service and a server. It delays, silences and cuts connections, drops confirmations,
//! and records statements; neither side notices it.

mod connection;
mod frames;
mod record;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    net::TcpListener,
    sync::{broadcast, watch},
};

use self::record::Record;
pub use self::{frames::Protocol, record::Passed};

/// What a proxy does to what passes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Nothing.
    #[default]
    Pass,
    /// Each piece arrives this much later.
    Delay(Duration),
    /// Nothing arrives in either direction, and neither side is told; what was sent arrives afterwards.
    Silent,
    /// The server's side is closed towards the client, which may go on sending into nothing.
    HalfClosed,
    /// New connections are reset at once.
    Refused,
}

/// When a proxy cuts all its connections by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The n-th call of a client is not passed on.
    Before(u64),
    /// The n-th call of a client is passed on, its answer is not.
    After(u64),
}

/// One proxy. It ends when it is dropped.
pub struct Proxy {
    /// Where the service connects to.
    pub address: SocketAddr,
    state: Arc<State>,
    accepting: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct State {
    target: String,
    protocol: Protocol,
    mode: watch::Sender<Mode>,
    resets: Resets,
    calls: AtomicU64,
    cut_before: AtomicU64,
    cut_after: AtomicU64,
    cuts: AtomicU64,
    acks_to_drop: AtomicU64,
    acks_dropped: AtomicU64,
    /// What passed a proxy that records.
    record: Option<Record>,
}

/// Tells every connection to end.
struct Resets(broadcast::Sender<()>);

impl Default for Resets {
    fn default() -> Self {
        Self(broadcast::Sender::new(1))
    }
}

impl Proxy {
    /// Listens on a free port and passes everything on to `host` and `port`.
    pub async fn open(host: &str, port: u16, protocol: Protocol) -> Result<Self> {
        Self::start(State { target: format!("{host}:{port}"), protocol, ..State::default() }).await
    }

    /// The same in front of a PostgreSQL, and records statements. Connections must not be encrypted.
    pub async fn recording(host: &str, port: u16) -> Result<Self> {
        let target = format!("{host}:{port}");
        Self::start(State { target, record: Some(Record::default()), ..State::default() }).await
    }

    async fn start(state: State) -> Result<Self> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("cannot listen for a proxy")?;
        let address = listener.local_addr().context("a listener without an address")?;
        let state = Arc::new(state);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state)));
        Ok(Self { address, state, accepting })
    }

    /// Takes what has passed since the last time, one list for each connection where something did.
    pub fn take(&self) -> Vec<Vec<Passed>> {
        self.state.record.as_ref().map(Record::take).unwrap_or_default()
    }

    /// Whether a statement with this text in it has passed since the last [`take`](Self::take).
    pub fn has_seen(&self, text: &str) -> bool {
        self.state.record.as_ref().is_some_and(|record| record.has_seen(text))
    }

    /// Takes back every fault.
    pub fn pass(&self) {
        self.set(Mode::Pass);
        self.never_cut();
    }

    /// Sets what happens to what passes from now on.
    pub fn set(&self, mode: Mode) {
        self.state.mode.send_replace(mode);
    }

    /// Resets every connection (RST to both sides), and returns how many there were.
    pub fn reset(&self) -> u64 {
        self.state.reset()
    }

    /// Has the n-th call from now on end all connections, once.
    pub fn cut_at(&self, cut: Cut) {
        self.state.calls.store(0, Ordering::SeqCst);
        let (before, after) = match cut {
            Cut::Before(n) => (n, 0),
            Cut::After(n) => (0, n),
        };
        self.state.cut_before.store(before, Ordering::SeqCst);
        self.state.cut_after.store(after, Ordering::SeqCst);
    }

    /// Takes back [`cut_at`](Self::cut_at).
    pub fn never_cut(&self) {
        self.cut_at(Cut::Before(0));
    }

    /// How many calls clients have made since a cut was last ordered or taken back.
    pub fn calls(&self) -> u64 {
        self.state.calls.load(Ordering::SeqCst)
    }

    /// How many connections this proxy has cut, of all that were open at each time.
    pub fn cuts(&self) -> u64 {
        self.state.cuts.load(Ordering::SeqCst)
    }

    /// Keeps the broker's next so many `basic.ack` from its client.
    pub fn drop_acks(&self, next: u64) {
        self.state.acks_to_drop.store(next, Ordering::SeqCst);
    }

    /// How many `basic.ack` were kept back.
    pub fn acks_dropped(&self) -> u64 {
        self.state.acks_dropped.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.state.reset();
    }
}

impl State {
    fn reset(&self) -> u64 {
        let open = self.resets.0.send(()).unwrap_or(0) as u64;
        self.cuts.fetch_add(open, Ordering::SeqCst);
        open
    }

    /// Counts one call of a client: whether it is the one to be cut before, and the one to be cut after.
    fn call(&self) -> (bool, bool) {
        let n = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let is =
            |wanted: &AtomicU64| wanted.compare_exchange(n, 0, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        (is(&self.cut_before), is(&self.cut_after))
    }

    /// Whether the `basic.ack` that has just arrived is one to be kept back.
    fn drops_this_ack(&self) -> bool {
        let one_less = |left: u64| left.checked_sub(1);
        let dropped = self.acks_to_drop.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok();
        self.acks_dropped.fetch_add(u64::from(dropped), Ordering::SeqCst);
        dropped
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    loop {
        // An error here is about the connection that was to be accepted, not about the listener.
        let Ok((client, _)) = listener.accept().await else { continue };
        tokio::spawn(connection::serve(client, Arc::clone(&state)));
    }
}

#[cfg(test)]
mod tests;
