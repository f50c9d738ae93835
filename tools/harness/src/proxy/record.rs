//! What passed between a client and a PostgreSQL.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// What passed a proxy that records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passed {
    /// A statement was sent to be executed, `begin` and `commit` included.
    Statement(String),
    /// The server said that it was ready for more: the end of a round trip.
    Ready,
}

/// Everything that passed, with the number of the connection.
#[derive(Debug, Default)]
pub(super) struct Record {
    passed: Mutex<Vec<(usize, Passed)>>,
    connections: AtomicUsize,
}

/// One connection of a record.
#[derive(Clone, Copy)]
pub(super) struct Connection<'a> {
    number: usize,
    record: &'a Record,
}

/// The statements of a connection: a client prepares, binds and executes them in separate messages.
pub(super) struct Statements<'a> {
    connection: Connection<'a>,
    prepared: HashMap<String, String>,
    bound: String,
}

impl Record {
    pub(super) fn connection(&self) -> Connection<'_> {
        Connection { number: self.connections.fetch_add(1, Ordering::SeqCst), record: self }
    }

    pub(super) fn take(&self) -> Vec<Vec<Passed>> {
        let mut passed = BTreeMap::<usize, Vec<Passed>>::new();
        for (connection, what) in self.lock().drain(..) {
            passed.entry(connection).or_default().push(what);
        }
        passed.into_values().collect()
    }

    pub(super) fn has_seen(&self, text: &str) -> bool {
        let is_it = |passed: &Passed| matches!(passed, Passed::Statement(sql) if sql.contains(text));
        self.lock().iter().any(|(_, passed)| is_it(passed))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(usize, Passed)>> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Connection<'a> {
    pub(super) fn statements(self) -> Statements<'a> {
        Statements { connection: self, prepared: HashMap::new(), bound: String::new() }
    }

    /// Records a message of the server's.
    pub(super) fn answered(self, message: &[u8]) {
        if message.first() == Some(&b'Z') {
            self.note(Passed::Ready);
        }
    }

    fn note(self, passed: Passed) {
        self.record.lock().push((self.number, passed));
    }
}

impl Statements<'_> {
    /// Records a message of the client: a type byte, four bytes of length, names and texts that end with NUL.
    pub(super) fn sent(&mut self, message: &[u8]) {
        let body = message.get(5..).unwrap_or_default();
        let mut texts = body.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
        let (first, second) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
        match message.first() {
            Some(b'P') => drop(self.prepared.insert(first, second)),
            Some(b'B') => self.bound = self.prepared.get(&second).cloned().unwrap_or_default(),
            Some(b'E') => self.connection.note(Passed::Statement(self.bound.clone())),
            Some(b'Q') => {
                let statements = first.split(';').map(str::trim).filter(|statement| !statement.is_empty());
                statements.for_each(|text| self.connection.note(Passed::Statement(text.to_owned())));
            }
            _ => {}
        }
    }
}
