//! What the broker says of itself when a connection begins. The client library reads it and keeps nothing of it, so the
//! stream that it reads from keeps the first frame.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use async_rs::{
    Tokio, TokioRuntime,
    traits::{Executor, Reactor, RuntimeKit},
    util::Task,
};
use futures_util::{AsyncRead, AsyncWrite, Stream};
use lapin::{
    AsyncTcpStream,
    protocol::{AMQPClass, connection::AMQPMethod, parse_class},
    types::AMQPValue,
};

/// The most bytes of a greeting that are kept.
const LIMIT: usize = 16 * 1024;

/// The first bytes that a broker has sent.
#[derive(Clone, Default)]
pub(super) struct Greeting(Arc<Mutex<Vec<u8>>>);

impl Greeting {
    /// The name of the broker's cluster, which all of its nodes have in common. Where nobody has named it, each node tells its
    /// own name, `rabbit@host`: that is none.
    pub(super) fn cluster(&self) -> Option<String> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A frame: its type, its channel and its size come before the method.
        let (_, class) = parse_class(bytes.get(7..)?).ok()?;
        let AMQPClass::Connection(AMQPMethod::Start(start)) = class else { return None };
        let AMQPValue::LongString(name) = start.server_properties.inner().get("cluster_name")? else {
            return None;
        };
        String::from_utf8(name.as_bytes().to_vec()).ok().filter(|name| !name.contains('@'))
    }

    /// Keeps what belongs to the first frame.
    fn hear(&self, read: &[u8]) {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_whole = |bytes: &[u8]| {
            let size = bytes.get(3..7).and_then(|size| size.try_into().ok()).map(u32::from_be_bytes);
            size.is_some_and(|size| bytes.len() as u64 >= u64::from(size) + 8)
        };
        if bytes.len() < LIMIT && !is_whole(&bytes) {
            let room = LIMIT - bytes.len();
            bytes.extend_from_slice(read.get(..room).unwrap_or(read));
        }
    }
}

/// A stream that keeps the broker's greeting.
pub(super) struct Overheard<S> {
    stream: S,
    greeting: Greeting,
}

impl<S> Overheard<S> {
    pub(super) fn new(stream: S, greeting: &Greeting) -> Self {
        Self { stream, greeting: greeting.clone() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Overheard<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, into);
        if let Poll::Ready(Ok(length)) = read {
            self.greeting.hear(into.get(..length).unwrap_or_default());
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Overheard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

/// The runtime of connections whose greeting is kept: tokio's.
#[derive(Clone)]
pub(super) struct Listening {
    tokio: TokioRuntime,
    greeting: Greeting,
}

impl Listening {
    pub(super) fn new(tokio: TokioRuntime, greeting: &Greeting) -> Self {
        Self { tokio, greeting: greeting.clone() }
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tokio.fmt(f)
    }
}

impl RuntimeKit for Listening {}

impl Executor for Listening {
    type Task<T: Send + 'static> = <Tokio as Executor>::Task<T>;

    fn block_on<T, F: Future<Output = T>>(&self, future: F) -> T {
        self.tokio.block_on(future)
    }

    fn spawn<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        future: F,
    ) -> Task<Self::Task<T>> {
        self.tokio.spawn(future)
    }

    fn spawn_blocking<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(
        &self,
        work: F,
    ) -> Task<Self::Task<T>> {
        self.tokio.spawn_blocking(work)
    }
}

impl Reactor for Listening {
    type TcpStream = Overheard<AsyncTcpStream<<Tokio as Reactor>::TcpStream>>;
    type Sleep = <Tokio as Reactor>::Sleep;

    /// For sockets that are made elsewhere: there are none.
    fn register<H: Send + 'static>(
        &self,
        _socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<Self::TcpStream, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, time: Duration) -> Self::Sleep {
        self.tokio.sleep(time)
    }

    fn interval(&self, time: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.tokio.interval(time)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let (connect, greeting) = (self.tokio.tcp_connect_addr(address), self.greeting.clone());
        async move { Ok(Overheard::new(AsyncTcpStream::Plain(connect.await?), &greeting)) }
    }
}

#[cfg(test)]
mod tests {
    use lapin::{
        protocol::{connection::Start, gen_class},
        types::FieldTable,
    };

    use super::*;

    #[test]
    fn the_name_of_a_node_is_no_name_of_its_cluster() {
        let cluster = |name: &str| {
            let mut server_properties = FieldTable::default();
            server_properties.insert("cluster_name".into(), AMQPValue::LongString(name.into()));
            let (mechanisms, locales) = ("PLAIN".into(), "en_US".into());
            let start = Start { version_major: 0, version_minor: 9, server_properties, mechanisms, locales };
            let class = AMQPClass::Connection(AMQPMethod::Start(start));
            let method = gen_class::<Vec<u8>>(&class)(Vec::new().into()).unwrap().write;
            Greeting(Arc::new(Mutex::new([vec![0; 7], method].concat()))).cluster()
        };
        assert_eq!(cluster("shop").as_deref(), Some("shop"));
        assert_eq!(cluster("rabbit@one.example"), None);
    }
}
