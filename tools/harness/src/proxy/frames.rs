//! Where one message of a protocol ends and the next begins, and which of them matter.

/// What is spoken through a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Protocol {
    /// PostgreSQL's, version 3, not encrypted.
    #[default]
    Postgres,
    /// AMQP 0-9-1, not encrypted.
    Amqp,
}

/// One message, whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) bytes: Vec<u8>,
    /// A client waits for an answer to it: a query, the end of a pipeline, a method.
    pub(super) is_call: bool,
    /// It is the broker's `basic.ack`: the confirmation of one or more messages.
    pub(super) is_ack: bool,
}

/// Cuts a stream of bytes into messages; what is not whole yet is kept until it is.
pub(super) struct Frames {
    protocol: Protocol,
    from_client: bool,
    /// Bytes are passed on as they come: nothing of them matters.
    is_opaque: bool,
    /// PostgreSQL's first messages have no type; AMQP's first eight bytes are no frame.
    is_greeting: bool,
    rest: Vec<u8>,
}

/// The request for encryption, which a server without it answers with one byte.
const SSL_REQUEST: [u8; 4] = [4, 210, 22, 47];

impl Frames {
    pub(super) fn from_client(protocol: Protocol) -> Self {
        Self { protocol, from_client: true, is_opaque: false, is_greeting: true, rest: Vec::new() }
    }

    /// What a PostgreSQL server says is parsed only where it is recorded.
    pub(super) fn from_server(protocol: Protocol, is_recorded: bool) -> Self {
        let is_opaque = protocol == Protocol::Postgres && !is_recorded;
        Self { protocol, from_client: false, is_opaque, is_greeting: false, rest: Vec::new() }
    }

    /// The messages that these bytes complete, in order.
    pub(super) fn split(&mut self, bytes: &[u8]) -> Vec<Frame> {
        if self.is_opaque {
            return vec![Frame { bytes: bytes.to_vec(), is_call: false, is_ack: false }];
        }
        self.rest.extend_from_slice(bytes);
        let mut frames = Vec::new();
        while let Some(length) = self.length().filter(|length| *length <= self.rest.len()) {
            let rest = self.rest.split_off(length);
            let bytes = std::mem::replace(&mut self.rest, rest);
            frames.push(self.frame(bytes));
        }
        frames
    }

    /// How long the first message is, when enough of it is there to know.
    fn length(&self) -> Option<usize> {
        let number = |at: usize| {
            let bytes = self.rest.get(at..at + 4)?.try_into().ok()?;
            usize::try_from(u32::from_be_bytes(bytes)).ok()
        };
        match (self.protocol, self.is_greeting) {
            (Protocol::Postgres, true) => number(0),
            (Protocol::Postgres, false) => Some(1 + number(1)?),
            (Protocol::Amqp, true) => Some(8),
            (Protocol::Amqp, false) => Some(7 + number(3)? + 1),
        }
    }

    fn frame(&mut self, bytes: Vec<u8>) -> Frame {
        let is_greeting = self.is_greeting;
        let asks_for_encryption = self.protocol == Protocol::Postgres && bytes.ends_with(&SSL_REQUEST);
        self.is_greeting = is_greeting && asks_for_encryption;
        let first = bytes.first().copied().unwrap_or_default();
        let (is_call, is_ack) = match self.protocol {
            // Startup, password, simple query, and what ends a pipeline.
            Protocol::Postgres => (is_greeting || matches!(first, b'p' | b'Q' | b'S'), false),
            Protocol::Amqp if is_greeting => (true, false),
            // A frame of type 1 is a method; class 60 method 80 is basic.ack.
            Protocol::Amqp => (first == 1, first == 1 && bytes.get(7..11) == Some(&[0, 60, 0, 80])),
        };
        Frame { bytes, is_call: is_call && self.from_client, is_ack: is_ack && !self.from_client }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn method(class: u8, method: u8) -> Vec<u8> {
        vec![1, 0, 1, 0, 0, 0, 5, 0, class, 0, method, 9, 0xCE]
    }

    #[test]
    fn a_confirmation_is_recognised_however_the_bytes_arrive() {
        let stream = [method(60, 60), method(60, 80), method(60, 80)].concat();
        for step in 1..stream.len() {
            let mut frames = Frames::from_server(Protocol::Amqp, false);
            let all: Vec<Frame> = stream.chunks(step).flat_map(|bytes| frames.split(bytes)).collect();
            assert_eq!(all.iter().map(|frame| frame.is_ack).collect::<Vec<_>>(), [false, true, true]);
            assert_eq!(all.into_iter().flat_map(|frame| frame.bytes).collect::<Vec<_>>(), stream);
        }
    }

    #[test]
    fn a_client_of_postgres_calls_with_startup_queries_and_syncs() {
        let greeting = [&[0, 0, 0, 8][..], &SSL_REQUEST, &[0, 0, 0, 9, 0, 3, 0, 0, 0]].concat();
        let parse_and_sync = [&b"P"[..], &[0, 0, 0, 6, 0, 0], b"S", &[0, 0, 0, 4]].concat();
        let mut frames = Frames::from_client(Protocol::Postgres);
        let all = frames.split(&[greeting, parse_and_sync].concat());
        assert_eq!(all.iter().map(|frame| frame.is_call).collect::<Vec<_>>(), [true, true, false, true]);
    }

    #[test]
    fn a_client_of_the_broker_calls_with_methods_and_not_with_heartbeats() {
        let mut frames = Frames::from_client(Protocol::Amqp);
        let heartbeat = vec![8, 0, 0, 0, 0, 0, 0, 0xCE];
        let all = frames.split(&[b"AMQP\x00\x00\x09\x01".to_vec(), method(10, 11), heartbeat].concat());
        assert_eq!(all.iter().map(|frame| frame.is_call).collect::<Vec<_>>(), [true, true, false]);
    }
}
