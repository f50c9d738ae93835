//! One connection through a proxy.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
};

use super::{
    Mode, State,
    frames::Frames,
    record::{Connection, Record},
};

/// How much is read at once.
const PIECE: usize = 64 * 1024;

/// How long a call that is cut after it was passed on gets to be carried out.
const TO_BE_DONE: Duration = Duration::from_millis(20);

/// Passes everything on until either side ends, or the proxy is reset.
pub(super) async fn serve(mut client: TcpStream, state: Arc<State>) {
    let mut reset = state.resets.0.subscribe();
    let mode = state.mode.subscribe();
    if *mode.borrow() == Mode::Refused {
        abort(&client);
        return;
    }
    let Ok(mut server) = TcpStream::connect(&state.target).await else {
        abort(&client);
        return;
    };
    // Without Nagle's algorithm, or the proxy would be a delay of its own; on loopback neither fails.
    for stream in [&client, &server] {
        drop(stream.set_nodelay(true));
    }
    {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let record = state.record.as_ref().map(Record::connection);
        let up = upward(from_client, to_server, &state, record, mode.clone());
        let down = downward(from_server, to_client, &state, record, mode);
        tokio::select! {
            // Each direction may end by itself; an error in one ends both.
            _ = async { tokio::try_join!(up, down) } => {}
            _ = reset.recv() => {}
        }
    }
    abort(&client);
    abort(&server);
}

/// Has the kernel send a reset instead of a goodbye when the stream is dropped.
fn abort(stream: &TcpStream) {
    drop(stream.set_zero_linger());
}

async fn upward(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    state: &State,
    record: Option<Connection<'_>>,
    mut mode: watch::Receiver<Mode>,
) -> io::Result<()> {
    let mut frames = Frames::from_client(state.protocol);
    let mut record = record.map(Connection::statements);
    let mut piece = vec![0; PIECE];
    while let Some(bytes) = next(&mut from, &mut piece, &mut mode).await? {
        for frame in frames.split(bytes) {
            let (before, after) = if frame.is_call { state.call() } else { (false, false) };
            if before {
                state.reset();
                return Ok(());
            }
            if let Some(record) = &mut record {
                record.sent(&frame.bytes);
            }
            to.write_all(&frame.bytes).await?;
            if after {
                tokio::time::sleep(TO_BE_DONE).await;
                state.reset();
                return Ok(());
            }
        }
    }
    to.shutdown().await
}

async fn downward(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    state: &State,
    record: Option<Connection<'_>>,
    mut mode: watch::Receiver<Mode>,
) -> io::Result<()> {
    let mut frames = Frames::from_server(state.protocol, record.is_some());
    let mut piece = vec![0; PIECE];
    loop {
        let next = tokio::select! {
            next = next(&mut from, &mut piece, &mut mode) => next?,
            () = half_closed(state.mode.subscribe()) => None,
        };
        let Some(bytes) = next else { break };
        for frame in frames.split(bytes) {
            if let Some(record) = record {
                record.answered(&frame.bytes);
            }
            if !(frame.is_ack && state.drops_this_ack()) {
                to.write_all(&frame.bytes).await?;
            }
        }
    }
    to.shutdown().await
}

/// The next bytes, when the mode lets them pass; `None` at the end.
async fn next<'a>(
    from: &mut ReadHalf<'_>,
    piece: &'a mut [u8],
    mode: &mut watch::Receiver<Mode>,
) -> io::Result<Option<&'a [u8]>> {
    audible(mode).await;
    let length = from.read(piece).await?;
    let mode_now = *mode.borrow();
    if let Mode::Delay(delay) = mode_now {
        tokio::time::sleep(delay).await;
    }
    // It may have become silent while there was nothing to read.
    audible(mode).await;
    Ok(piece.get(..length).filter(|bytes| !bytes.is_empty()))
}

async fn audible(mode: &mut watch::Receiver<Mode>) {
    // The sender exists as long as the proxy; without it the connection is about to be reset.
    drop(mode.wait_for(|mode| *mode != Mode::Silent).await);
}

async fn half_closed(mut mode: watch::Receiver<Mode>) {
    if mode.wait_for(|mode| *mode == Mode::HalfClosed).await.is_err() {
        std::future::pending::<()>().await;
    }
}
