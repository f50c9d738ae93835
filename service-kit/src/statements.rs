//! Connections for statements that are transactions of their own.
//!
//! On such a connection nothing is ever begun, so nothing can be left open, and it comes back without a word. A
//! connection of sqlx's own pool is asked each time whether it is well, which costs a round trip for each use.

use std::ops::{Deref, DerefMut};

use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, QueueMode, RecycleError, RecycleResult};
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool};
use tokio::time::timeout;

use crate::database::{self, ACQUIRE_TIMEOUT, MAX_LIFETIME, TRUSTED_FOR};

/// A pool for single statements. Clones share it.
#[derive(Clone)]
pub struct Statements(Pool<Maker>);

impl Statements {
    /// Makes one beside `pool`, for the same database and with as many connections at most, without connecting.
    ///
    /// Each statement is planned once, not for each length of the arrays that it is given, which would cost more than
    /// it takes. That is a session's setting: behind a pooler that does not pass such on, plans are made more often.
    pub fn beside(pool: &PgPool) -> anyhow::Result<Self> {
        let options = pool.connect_options().as_ref().clone();
        let options = options.options([("plan_cache_mode", "force_generic_plan")]);
        let most = pool.options().get_max_connections();
        let pool = Pool::builder(Maker(database::connect_with(options, most)))
            .max_size(usize::try_from(most)?)
            // Few that are warm, rather than all in turn.
            .queue_mode(QueueMode::Lifo)
            .build()?;
        Ok(Self(pool))
    }

    /// A connection for one statement, or some, of which each is a transaction of its own.
    pub async fn connection(&self) -> Result<Lent, sqlx::Error> {
        // All in all: of connections that were cut, each has to be found out.
        match timeout(ACQUIRE_TIMEOUT, self.0.get()).await {
            Ok(Ok(connection)) => Ok(Lent(connection)),
            Ok(Err(PoolError::Backend(error))) => Err(error),
            _ => Err(sqlx::Error::PoolTimedOut),
        }
    }
}

/// A connection in use. One that is dropped, not handed back, may have a statement under way (its user went away): it
/// is asked whether it is well before it is used again.
pub struct Lent(Object<Maker>);

impl Lent {
    /// Hands it back after statements that succeeded.
    pub fn hand_back(mut self) {
        self.0.at_rest = true;
    }
}

impl Deref for Lent {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.0.connection
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0.connection
    }
}

/// Makes connections: sqlx's pool, which waits for a database that is just starting, and keeps none of them.
struct Maker(PgPool);

struct Kept {
    connection: PgConnection,
    /// Its last user has had all the answers.
    at_rest: bool,
}

impl Manager for Maker {
    type Type = Kept;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<Kept, sqlx::Error> {
        // Boxed: it is long, and every future that may have to make a connection would be as long.
        let connection = Box::pin(self.0.acquire()).await.map(PoolConnection::detach)?;
        Ok(Kept { connection, at_rest: false })
    }

    async fn recycle(&self, kept: &mut Kept, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        let at_rest = std::mem::take(&mut kept.at_rest) && metrics.last_used() < TRUSTED_FOR;
        if metrics.age() > MAX_LIFETIME || !(at_rest || database::is_alive(&mut kept.connection).await) {
            return Err(RecycleError::message("worn out"));
        }
        Ok(())
    }
}
