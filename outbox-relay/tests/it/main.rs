//! The relay as an operator runs it: the real binary, a real database and a real broker.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should panic")]

mod audit;
mod broker_away;
mod bulk;
mod cost;
mod crash;
mod database_away;
mod isolation;
mod operator;
mod overview;
mod pooler;
mod problems;
mod publishing;
mod replay;
mod restored;
mod retention;
mod scheduled;
mod several;
mod show;
mod support;
mod unreadable;
