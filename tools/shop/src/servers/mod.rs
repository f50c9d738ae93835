//! The private PostgreSQL and RabbitMQ: found or installed, set up, started, asked whether they are ready, stopped.

mod find;
mod install;
mod place;
mod postgres;
mod provision;
mod rabbitmq;
mod user;

pub use find::{
    Choice, ErlangTools, PostgresTools, Tools, install_browser, install_for_chaos, install_for_tests,
};
pub use place::{Place, Purpose};
pub use postgres::Postgres;
pub use provision::provision;
pub use rabbitmq::{Cluster, Rabbitmq};
pub use user::is_open_to_all;
