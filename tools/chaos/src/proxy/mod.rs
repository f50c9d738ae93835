//! The harness's TCP proxy: one link for each service and server, to be slowed, silenced, cut and
//! listened to without the knowledge of either side.

mod connection;
mod frames;

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

pub(crate) use self::frames::Protocol;

/// What a link does to what passes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nothing.
    Pass,
    /// Each piece arrives so much later.
    Delay(Duration),
    /// Nothing arrives any more, in either direction, and nobody is told; what was sent arrives afterwards.
    Silent,
    /// The server's side is closed towards the client, which may go on sending into nothing.
    HalfClosed,
    /// New connections are reset at once.
    Refused,
}

/// When a link cuts all its connections by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The n-th call of a client is not passed on.
    Before(u64),
    /// The n-th call of a client is passed on, its answer is not.
    After(u64),
}

/// One way from a service to a server. Ends when it is dropped.
pub(crate) struct Link {
    /// Where the service connects to.
    pub(crate) port: u16,
    state: Arc<State>,
    accepting: tokio::task::JoinHandle<()>,
}

struct State {
    target: SocketAddr,
    protocol: Protocol,
    mode: watch::Sender<Mode>,
    resets: broadcast::Sender<()>,
    calls: AtomicU64,
    cut_before: AtomicU64,
    cut_after: AtomicU64,
    cuts: AtomicU64,
    acks_to_drop: AtomicU64,
    acks_dropped: AtomicU64,
}

impl Link {
    /// Listens on a free port and passes everything on to `target` on this machine.
    pub(crate) async fn open(target: u16, protocol: Protocol) -> Result<Self> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("cannot listen for a proxy")?;
        let port = listener.local_addr().context("a listener without an address")?.port();
        let state = Arc::new(State {
            target: SocketAddr::from((Ipv4Addr::LOCALHOST, target)),
            protocol,
            mode: watch::Sender::new(Mode::Pass),
            resets: broadcast::Sender::new(1),
            calls: AtomicU64::new(0),
            cut_before: AtomicU64::new(0),
            cut_after: AtomicU64::new(0),
            cuts: AtomicU64::new(0),
            acks_to_drop: AtomicU64::new(0),
            acks_dropped: AtomicU64::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state)));
        Ok(Self { port, state, accepting })
    }

    /// What becomes of what passes from now on.
    pub(crate) fn set(&self, mode: Mode) {
        self.state.mode.send_replace(mode);
    }

    /// Resets every connection (RST to both sides), and returns how many there were.
    pub(crate) fn reset(&self) -> u64 {
        self.state.reset()
    }

    /// Has the n-th call from now on end all connections, once.
    pub(crate) fn cut_at(&self, cut: Cut) {
        self.state.calls.store(0, Ordering::SeqCst);
        let (before, after) = match cut {
            Cut::Before(n) => (n, 0),
            Cut::After(n) => (0, n),
        };
        self.state.cut_before.store(before, Ordering::SeqCst);
        self.state.cut_after.store(after, Ordering::SeqCst);
    }

    /// Takes back [`cut_at`](Self::cut_at).
    pub(crate) fn never_cut(&self) {
        self.cut_at(Cut::Before(0));
    }

    /// How many calls clients have made since a cut was last ordered or taken back.
    pub(crate) fn calls(&self) -> u64 {
        self.state.calls.load(Ordering::SeqCst)
    }

    /// How many connections this link has cut, of all that were open at each time.
    pub(crate) fn cuts(&self) -> u64 {
        self.state.cuts.load(Ordering::SeqCst)
    }

    /// Keeps the broker's next so many `basic.ack` from its client.
    pub(crate) fn drop_acks(&self, next: u64) {
        self.state.acks_to_drop.store(next, Ordering::SeqCst);
    }

    /// How many `basic.ack` were kept back.
    pub(crate) fn acks_dropped(&self) -> u64 {
        self.state.acks_dropped.load(Ordering::SeqCst)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.accepting.abort();
        self.state.reset();
    }
}

impl State {
    fn reset(&self) -> u64 {
        let open = self.resets.send(()).unwrap_or(0) as u64;
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
