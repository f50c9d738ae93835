//! A service of somebody else's that tells the world which books came back.
//!
//! ```sh
//! DATABASE_URL=postgres://library:secret@localhost/library cargo run --package event-bus --example library -- Ulysses
//! outbox-relay --config event-bus/examples/library.toml run
//! ```
//!
//! The first adds the outbox's tables, if they are missing, and returns books; the second publishes what
//! that announced, whether it runs by then or is started next week.

use event_bus::{Event, outbox};
use sqlx::{Connection, PgConnection};

/// What the library announces.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct BookReturned {
    book: String,
    times_lent: i64,
}

impl Event for BookReturned {
    const TYPE: &'static str = "town.library.book_returned.v1";

    fn key(&self) -> String {
        self.book.clone()
    }

    fn version(&self) -> i64 {
        self.times_lent
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut database = PgConnection::connect(&std::env::var("DATABASE_URL")?).await?;
    let is_new = "select to_regclass('integration_event_log') is null";
    if sqlx::query_scalar(is_new).fetch_one(&mut database).await? {
        sqlx::raw_sql(outbox::SCHEMA).execute(&mut database).await?;
        sqlx::raw_sql("create table book (title text primary key, times_lent bigint not null)")
            .execute(&mut database)
            .await?;
    }
    for book in std::env::args().skip(1) {
        let mut tx = database.begin().await?;
        // The change first: it locks the book's row, and that is what puts the events of a book in order.
        let lent = "insert into book values ($1, 1)
                    on conflict (title) do update set times_lent = book.times_lent + 1 returning times_lent";
        let times_lent = sqlx::query_scalar(lent).bind(&book).fetch_one(&mut *tx).await?;
        let returned = BookReturned { book, times_lent };
        let event_id = outbox::append(&mut tx, &returned).await?;
        tx.commit().await?;
        println!("{event_id} {} came back, {times_lent} times until now", returned.book);
    }
    Ok(())
}
