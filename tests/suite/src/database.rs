//! A database for one test.

use sqlx::{Connection, PgConnection, PgPool};
use uuid::Uuid;

/// A database of its own, dropped in the end.
pub struct Database {
    /// Its URL, with the administrator's rights.
    pub url: String,
    /// Connections for looking into it.
    pub pool: PgPool,
    name: String,
}

impl Database {
    /// Creates one; the name begins with what it is for.
    ///
    /// # Panics
    /// When the test server is not there.
    pub async fn create(purpose: &str) -> Self {
        let name = format!("{purpose}_{}", Uuid::new_v4().simple());
        administer(format!("create database {name}")).await;
        let server = server();
        let url = format!("{}/{name}", server.rsplit_once('/').expect("DATABASE_URL names a database").0);
        Self { pool: PgPool::connect_lazy(&url).expect("a URL of PostgreSQL"), url, name }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let drop_database = format!("drop database if exists {} with (force)", self.name);
        // A thread of its own: the test's runtime may be about to end.
        let dropping = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(administer(drop_database));
        });
        drop(dropping.join());
    }
}

fn server() -> String {
    std::env::var("DATABASE_URL").expect("run the tests with `cargo shop test`")
}

async fn administer(statement: String) {
    let mut administrator = PgConnection::connect(&server()).await.expect("the test server");
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut administrator).await.expect("it is done");
}
