//! Whether a broker is up.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::VHOST;
use crate::http;

/// How long one question may take.
const DEADLINE: Duration = Duration::from_secs(2);

/// Whether the port answers a protocol header with a method frame (`connection.start`), as a broker does
/// that takes connections.
pub(super) fn speaks_amqp(port: u16) -> bool {
    let ask = || -> std::io::Result<u8> {
        let mut stream =
            TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), DEADLINE)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        stream.write_all(b"AMQP\x00\x00\x09\x01")?;
        let mut frame_type = [0];
        stream.read_exact(&mut frame_type)?;
        Ok(frame_type[0])
    };
    ask().is_ok_and(|frame_type| frame_type == 1)
}

/// Whether the management interface answers its administrator and has the suite's vhost.
pub(super) fn has_vhost(port: u16, password: &str) -> bool {
    let credentials = STANDARD.encode(format!("admin:{password}"));
    http::agent(DEADLINE)
        .get(format!("http://127.0.0.1:{port}/api/vhosts/{VHOST}"))
        .header("Authorization", format!("Basic {credentials}"))
        .call()
        .is_ok_and(|answer| answer.status() == 200)
}
