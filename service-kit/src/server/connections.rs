//! How many connections there may be, and the end of those that are held for nothing.
//!
//! actix bounds the head of a connection's first request, and a connection on which nothing comes any more.
//! Here the rest is bounded: a client that does not read what it is sent, and one that begins a further
//! request and never ends its head.

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use rustix::fd::{AsFd, OwnedFd};
use rustix::net::Shutdown;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::Instant;

use crate::settings::HttpSettings;

/// Files that a process has open beside its clients' connections.
const OTHER_FILES: u64 = 128;
/// Files for each connection: its own, and the one through which it can be ended here.
const FILES_EACH: u64 = 2;

/// Makes room for so many connections among the files that this process may have open, as far as the system
/// lets it, and returns for how many there is room.
pub(super) fn make_room(wanted: usize) -> usize {
    let needed = u64::try_from(wanted).unwrap_or(u64::MAX).saturating_mul(FILES_EACH) + OTHER_FILES;
    let limit = getrlimit(Resource::Nofile);
    let allowed = limit.maximum.map_or(needed, |maximum| needed.min(maximum));
    let mut files = limit.current.unwrap_or(u64::MAX);
    if files < allowed {
        match setrlimit(Resource::Nofile, Rlimit { current: Some(allowed), maximum: limit.maximum }) {
            Ok(()) => files = allowed,
            Err(error) => tracing::warn!(%error, "cannot raise the limit of open files"),
        }
    }
    let room = (files.saturating_sub(OTHER_FILES) / FILES_EACH).max(files / 4);
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    if room < wanted {
        tracing::warn!(wanted, room, "the limit of open files (ulimit -n) leaves room for fewer connections");
    }
    wanted.min(room)
}

/// The open connections of a server.
#[derive(Clone)]
pub(super) struct Connections {
    open: Arc<Mutex<Vec<Weak<Connection>>>>,
    unread: Duration,
    idle: Duration,
}

impl Connections {
    pub(super) fn new(settings: &HttpSettings) -> Self {
        let unread = Duration::from_millis(settings.unread_timeout_ms);
        let idle = Duration::from_millis(settings.idle_timeout_ms + settings.header_timeout_ms);
        Self { open: Arc::default(), unread, idle }
    }

    /// Takes a connection in that has just been made.
    pub(super) fn enter(&self, stream: &dyn Any, data: &mut Extensions) {
        let Some(stream) = stream.downcast_ref::<TcpStream>() else { return };
        #[cfg(target_os = "linux")]
        {
            // Counts while something is sent and the client's kernel takes nothing of it, whether that is
            // because the client does not read or because it is gone.
            let unread = u32::try_from(self.unread.as_millis()).unwrap_or(u32::MAX);
            if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(stream, unread) {
                tracing::debug!(%error, "cannot limit how long a client may leave an answer unread");
            }
        }
        match stream.as_fd().try_clone_to_owned() {
            Ok(socket) => {
                let now = Use { answers: 0, since: Instant::now() };
                let connection = Arc::new(Connection { socket, in_use: Mutex::new(now) });
                locked(&self.open).push(Arc::downgrade(&connection));
                data.insert(connection);
            }
            Err(error) => tracing::debug!(%error, "cannot watch over a connection"),
        }
    }

    /// Ends the connections on which there has been no answer for longer than a client needs to begin its
    /// next request.
    pub(super) fn end_idle(&self) {
        let mut ended = 0_u32;
        locked(&self.open).retain(|connection| {
            let Some(connection) = connection.upgrade() else { return false };
            if !connection.is_idle_for(self.idle) {
                return true;
            }
            ended += 1;
            // One that its client has ended meanwhile cannot be ended, and need not be.
            rustix::net::shutdown(&connection.socket, Shutdown::Both).is_err()
        });
        if ended > 0 {
            tracing::debug!(connections = ended, "ended connections whose next request did not come");
        }
    }
}

/// One connection, as its requests know it.
pub(super) struct Connection {
    socket: OwnedFd,
    in_use: Mutex<Use>,
}

struct Use {
    /// Requests whose answer is not complete.
    answers: usize,
    /// When the last answer was complete; before there was one, when the connection was made.
    since: Instant,
}

impl Connection {
    fn is_idle_for(&self, limit: Duration) -> bool {
        let in_use = locked(&self.in_use);
        in_use.answers == 0 && in_use.since.elapsed() > limit
    }
}

/// Says that a request is being answered, as long as it lives.
pub(super) struct Answering(Arc<Connection>);

impl Answering {
    pub(super) fn on(connection: &Arc<Connection>) -> Self {
        locked(&connection.in_use).answers += 1;
        Self(connection.clone())
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let mut in_use = locked(&self.0.in_use);
        in_use.answers -= 1;
        in_use.since = Instant::now();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever holds it changes a word, and cannot panic in between.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
