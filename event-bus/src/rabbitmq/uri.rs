//! Reading the broker's URL. What is written is what is used; anything else is refused.
//!
//! The client library's own parser takes an IPv6 address for no host at all, falls back to localhost, and ignores
//! parameters that it does not know.

use std::{collections::HashSet, time::Duration};

use lapin::uri::{AMQPUri, AMQPUserInfo};
use url::{Host, Url};

/// The heartbeat in seconds if the URL names none. A dead network is noticed after twice that; the broker suggests
/// 60.
const HEARTBEAT: u16 = 5;

/// How long one address of the broker may take until the connection is usable, in milliseconds, if the URL names
/// no `connection_timeout`.
const CONNECTION_TIMEOUT: u64 = 5_000;

/// How many nodes a list may name.
const MOST_NODES: usize = 16;

/// Reads the addresses of a broker's nodes: one URL, or several separated by commas. An error does not repeat them,
/// because they may hold a password.
pub(super) fn parse_all(text: &str) -> Result<Vec<AMQPUri>, String> {
    let entries: Vec<&str> = text.split(',').map(str::trim).collect();
    let count = entries.len();
    if let [only] = entries[..] {
        return Ok(vec![parse(only)?]);
    }
    if count > MOST_NODES {
        return Err(format!("it names {count} nodes, {MOST_NODES} at most are tried"));
    }
    let numbered = || (1..).zip(&entries);
    for (number, entry) in numbered() {
        if entry.is_empty() {
            return Err(format!("address {number} of {count} is empty"));
        }
        // What follows a comma in a password that is not encoded is not shown.
        if !["amqp://", "amqps://"].iter().any(|scheme| entry.starts_with(scheme)) {
            let hint = "write , in a user, password or vhost as %2c";
            return Err(format!(
                "address {number} of {count} does not begin with amqp:// or amqps:// ({hint})"
            ));
        }
    }
    let mut nodes: Vec<AMQPUri> = Vec::with_capacity(count);
    for (number, entry) in numbered() {
        let node = parse(entry).map_err(|problem| format!("address {number} of {count}: {problem}"))?;
        if nodes.first().is_some_and(|first| first.vhost != node.vhost) {
            return Err(format!("address {number} of {count} names another vhost than the first"));
        }
        nodes.push(node);
    }
    Ok(nodes)
}

/// Reads a URL.
fn parse(text: &str) -> Result<AMQPUri, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "amqp" | "amqps") {
        return Err(format!("the scheme is {}, not amqp or amqps", url.scheme()));
    }
    let host = host(&url)?;
    check(&url)?;
    // Decodes user, password and vhost, and reads the parameters.
    let mut uri: AMQPUri = text.parse()?;
    uri.authority.host = host;
    uri.query.heartbeat.get_or_insert(HEARTBEAT);
    if uri.vhost == "//" {
        uri.vhost.truncate(1);
    }
    let AMQPUserInfo { username, password } = &uri.authority.userinfo;
    for (part, text) in [("user", username), ("password", password), ("vhost", &uri.vhost)] {
        if text.len() > 255 || text.contains('\0') {
            return Err(format!("the {part} is over 255 bytes, or has a NUL in it"));
        }
    }
    Ok(uri)
}

/// How long one address may take.
pub(super) fn connection_timeout(uri: &AMQPUri) -> Duration {
    Duration::from_millis(uri.query.connection_timeout.unwrap_or(CONNECTION_TIMEOUT))
}

/// The name, or the address without brackets.
fn host(url: &Url) -> Result<String, String> {
    let is_of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    match url.host() {
        Some(Host::Ipv6(address)) => Ok(address.to_string()),
        Some(Host::Ipv4(address)) => Ok(address.to_string()),
        None | Some(Host::Domain("")) => Err("it names no host".to_owned()),
        Some(Host::Domain(name)) if name.bytes().all(is_of_a_name) => Ok(name.to_owned()),
        Some(Host::Domain(_)) => Err("the host is not one name or address".to_owned()),
    }
}

/// Refuses what the client library would ignore or take for something else.
fn check(url: &Url) -> Result<(), String> {
    match (url.username(), url.password()) {
        ("", Some(_)) => return Err("it names a password and no user".to_owned()),
        (user, None) if !user.is_empty() => return Err("it names a user and no password".to_owned()),
        _ => {}
    }
    if url.port() == Some(0) {
        return Err("port 0 is no port".to_owned());
    }
    if url.fragment().is_some() {
        return Err("write # in a user, password or vhost as %23".to_owned());
    }
    if url.path() != "//" && url.path().matches('/').count() > 1 {
        return Err("write / in a user, password or vhost as %2f".to_owned());
    }
    let mut seen = HashSet::new();
    for (name, value) in url.query_pairs() {
        match &*name {
            "heartbeat" => number(&name, &value, 1, u32::from(u16::MAX))?,
            "connection_timeout" => number(&name, &value, 1, 600_000)?,
            // Reading queues takes one channel beside the first.
            "channel_max" => number(&name, &value, 2, u32::from(u16::MAX))?,
            // Brokers from 4.0 on refuse less; the buffers of a connection have 64 times the size.
            "frame_max" => number(&name, &value, 8_192, 1_048_576)?,
            "auth_mechanism" if value.eq_ignore_ascii_case("plain") => {}
            "auth_mechanism" => return Err("the only auth_mechanism is plain".to_owned()),
            // What follows a ? in a password that is not encoded is not shown.
            other if other.contains('@') => return Err("write ? in a user or password as %3f".to_owned()),
            other => return Err(format!("the parameter {other:?} is unknown")),
        }
        if !seen.insert(name.clone()) {
            return Err(format!("the parameter {name:?} is there twice"));
        }
    }
    Ok(())
}

fn number(name: &str, value: &str, least: u32, most: u32) -> Result<(), String> {
    let is_within = value.parse().is_ok_and(|number: u32| (least..=most).contains(&number));
    if is_within { Ok(()) } else { Err(format!("{name} must be a number from {least} to {most}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_broker_url_is_the_one_that_was_written() {
        for (url, host, port) in [
            ("amqp://u:p@[2001:db8::10]/v", "2001:db8::10", 5672),
            ("amqps://u:p@[::1]:5673/v", "::1", 5673),
            ("amqp://[::ffff:10.0.0.1]", "::ffff:10.0.0.1", 5672),
            ("amqp://10.1.2.3/v", "10.1.2.3", 5672),
            ("amqps://rabbit_1.shop-net.example/v", "rabbit_1.shop-net.example", 5671),
        ] {
            let uri = parse(url).unwrap();
            assert_eq!((uri.authority.host.as_str(), uri.authority.port), (host, port), "{url}");
        }
    }

    #[test]
    fn users_passwords_and_vhosts_are_percent_decoded() {
        let uri = parse("amqp://a%40b:p%2f%3a%23%C3%A9@h/v%2fw").unwrap();
        let AMQPUserInfo { username, password } = uri.authority.userinfo;
        assert_eq!((username.as_str(), password.as_str(), uri.vhost.as_str()), ("a@b", "p/:#é", "v/w"));
        for (url, vhost) in [("amqp://h", "/"), ("amqp://h/%2f", "/"), ("amqp://h//", "/"), ("amqp://h/", "")]
        {
            assert_eq!(parse(url).unwrap().vhost, vhost, "{url}");
        }
    }

    #[test]
    fn a_list_of_addresses_names_the_nodes_of_one_broker() {
        let nodes = parse_all("amqp://u:p@one/v, amqps://u:p@two:5673/v,amqp://u:p@[::1]/v").unwrap();
        let hosts: Vec<_> = nodes.iter().map(|uri| (&*uri.authority.host, uri.authority.port)).collect();
        assert_eq!(hosts, [("one", 5672), ("two", 5673), ("::1", 5672)]);
        for (list, problem) in [
            ("amqp://u:secret@one/v,,amqp://u:secret@two/v", "address 2 of 3 is empty"),
            ("amqp://u:secret@one/v,", "address 2 of 2 is empty"),
            (",", "address 1 of 2 is empty"),
            ("amqp://u:a,secret:b@one/v", "%2c"),
            ("amqp://u:secret@one/v,amqp://u:secret@two/w", "another vhost"),
            ("amqp://u:secret@one/v,amqp://u:secret@two/v?hart=5", "address 2 of 2: the parameter"),
            (&["amqp://h/v"; 17].join(","), "17 nodes"),
        ] {
            let error = parse_all(list).err().unwrap_or_else(|| panic!("{list} is accepted"));
            assert!(error.contains(problem), "{list}: {error}");
            assert!(!error.contains("secret"), "{list}: {error}");
        }
    }

    #[test]
    fn known_parameters_of_a_broker_url_are_followed() {
        let uri =
            parse("amqp://h/v?heartbeat=30&connection_timeout=750&channel_max=9&frame_max=16384").unwrap();
        assert_eq!(connection_timeout(&uri), Duration::from_millis(750));
        let query = uri.query;
        assert_eq!((query.heartbeat, query.channel_max, query.frame_max), (Some(30), Some(9), Some(16_384)));
        let uri = parse("amqp://h/v?auth_mechanism=PLAIN").unwrap();
        assert_eq!(uri.query.heartbeat, Some(HEARTBEAT), "unless the URL names one");
    }

    #[test]
    fn a_broker_url_that_cannot_be_followed_is_refused() {
        for (url, problem) in [
            ("kafka://h:9092", "the scheme is kafka"),
            ("mysql://h/v", "the scheme is mysql"),
            ("http://h/v", "the scheme is http"),
            ("a,b", "relative URL without a base"),
            ("amqp:h", "no host"),
            ("amqp:///v", "no host"),
            ("amqp://u:p@/v", "empty host"),
            ("amqp://a,b/v", "not one name"),
            ("amqp://a:5672,b:5672/v", "port"),
            ("amqp://h%20x/v", "not one name"),
            ("amqp://h:70000/v", "port"),
            ("amqp://h:0/v", "port 0"),
            ("amqp://h:port/v", "port"),
            ("amqp://[::1/v", "IPv6"),
            ("amqp://[fe80::1%25eth0]/v", "IPv6"),
            ("amqp://u@h/v", "no password"),
            ("amqp://:p@h/v", "no user"),
            ("amqp://u:1/secret@h/v", "%2f"),
            ("amqp://u:1#secret@h/v", "%23"),
            ("amqp://u:1?secret@h/v", "%3f"),
            ("amqp://h/v/w", "%2f"),
            ("amqp://h/%ff", "utf-8"),
            ("amqp://h/v?hartbeat=5", "\"hartbeat\" is unknown"),
            ("amqps://h/v?verify=verify_none", "\"verify\" is unknown"),
            ("amqp://h/v?heartbeat=0", "heartbeat must be"),
            ("amqp://h/v?heartbeat=soon", "heartbeat must be"),
            ("amqp://h/v?heartbeat=5&heartbeat=6", "twice"),
            ("amqp://h/v?frame_max=100", "frame_max must be"),
            ("amqp://h/v?channel_max=1", "channel_max must be"),
            ("amqp://h/v?connection_timeout=-1", "connection_timeout must be"),
            ("amqp://h/v?auth_mechanism=external", "auth_mechanism"),
        ] {
            let error = parse(url).err().unwrap_or_else(|| panic!("{url} is accepted"));
            assert!(error.contains(problem), "{url}: {error}");
            assert!(!error.contains("secret"), "{url}: {error}");
        }
    }
}
