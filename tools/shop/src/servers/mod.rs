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

use std::io::{Read, Result, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// The first byte that a server on this loopback port answers a greeting with.
fn first_byte(port: u16, greeting: &[u8]) -> Result<u8> {
    let deadline = Duration::from_secs(2);
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), deadline)?;
    stream.set_read_timeout(Some(deadline))?;
    stream.set_write_timeout(Some(deadline))?;
    stream.write_all(greeting)?;
    let mut byte = [0];
    stream.read_exact(&mut byte)?;
    Ok(byte[0])
}
