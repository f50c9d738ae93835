//! Reading a database's URL. What is written is what is used; anything else is refused.
//!
//! sqlx itself takes any scheme, logs and ignores parameters that it does not know, and looks an IPv6 address up as a
//! name.

use std::{collections::HashSet, str::FromStr};

use sqlx::postgres::PgConnectOptions;
use url::{Host, Url};

/// The parameters that sqlx follows, beside `options[name]`.
const PARAMETERS: [&str; 18] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

/// Reads the URL of the setting at `path`, such as `database.url`. The error names the setting and does not repeat the
/// URL, which holds a password.
pub fn connect_options(path: &str, url: &str) -> anyhow::Result<PgConnectOptions> {
    parse(url).map_err(|problem| {
        let variable = crate::settings::variable(path);
        anyhow::anyhow!("setting {path} ({variable}): not a postgres:// URL: {problem}")
    })
}

fn parse(text: &str) -> Result<PgConnectOptions, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "postgres" | "postgresql") {
        return Err(format!("the scheme is {}", url.scheme()));
    }
    check(&url)?;
    let options = PgConnectOptions::from_str(text).map_err(|error| error.to_string())?;
    match url.host() {
        Some(Host::Ipv6(address)) => Ok(options.host(&address.to_string())),
        _ => Ok(options),
    }
}

/// Refuses what sqlx would ignore or take for something else.
fn check(url: &Url) -> Result<(), String> {
    let host = url.host_str().filter(|host| !host.is_empty());
    if host.is_some_and(|host| host.contains(',')) {
        return Err("it names several hosts".to_owned());
    }
    if url.port() == Some(0) {
        return Err("port 0 is no port".to_owned());
    }
    if url.fragment().is_some() {
        return Err("write # in a user, password or name as %23".to_owned());
    }
    if url.path().matches('/').count() > 1 {
        return Err("write / in a user, password or name as %2f".to_owned());
    }
    let mut seen = HashSet::new();
    for (name, value) in url.query_pairs() {
        if name.contains('@') {
            // What follows a ? in a password that is not encoded is not shown.
            return Err("write ? in a user or password as %3f".to_owned());
        }
        let is_option = name.starts_with("options[") && name.ends_with(']');
        if !is_option && !PARAMETERS.contains(&&*name) {
            return Err(format!("the parameter {name:?} is unknown"));
        }
        let is_host = matches!(&*name, "host" | "hostaddr");
        if is_host
            && (host.is_some() || seen.contains("host") || seen.contains("hostaddr") || value.contains(','))
        {
            return Err("it names several hosts".to_owned());
        }
        if !seen.insert(name.clone()) {
            return Err(format!("the parameter {name:?} is there twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_database_url_is_the_one_that_was_written() {
        for (url, host, port) in [
            ("postgres://u:p@[2001:db8::10]:5433/d", "2001:db8::10", 5433),
            ("postgresql://u:p@[::1]/d", "::1", 5432),
            ("postgres://u:p@10.1.2.3/d?sslmode=require", "10.1.2.3", 5432),
            ("postgres://u:p@db.example/d?application_name=x&options[work_mem]=64kB", "db.example", 5432),
            ("postgres:///d?host=db.example&port=5434", "db.example", 5434),
        ] {
            let options = parse(url).unwrap_or_else(|problem| panic!("{url}: {problem}"));
            assert_eq!((options.get_host(), options.get_port()), (host, port), "{url}");
        }
        let options = parse("postgres://u@%2Frun%2Fpostgresql/d").unwrap();
        assert_eq!(options.get_socket().unwrap().to_str().unwrap(), "/run/postgresql");
    }

    #[test]
    fn a_database_url_that_cannot_be_followed_is_refused() {
        for (url, problem) in [
            ("mysql://u:p@h/d", "the scheme is mysql"),
            ("sqlite::memory:", "the scheme is sqlite"),
            ("a,b", "relative URL without a base"),
            ("postgres://u:p@a,b/d", "several hosts"),
            ("postgres://u:p@a:5432,b:5432/d", "port"),
            ("postgres://u:p@a/d?host=b", "several hosts"),
            ("postgres://u:p@h:70000/d", "port"),
            ("postgres://u:p@h:0/d", "port 0"),
            ("postgres://u:p@[::1/d", "IPv6"),
            ("postgres://u:p@h/d?conect_timeout=3", "\"conect_timeout\" is unknown"),
            ("postgres://u:p@h/d?target_session_attrs=read-write", "is unknown"),
            ("postgres://u:p@h/d?sslmode=sometimes", "sometimes"),
            ("postgres://u:p@h/d?sslmode=require&sslmode=disable", "twice"),
            ("postgres://u:1#secret@h/d", "%23"),
            ("postgres://u:1/secret@h/d", "%2f"),
            ("postgres://u:1?secret@h/d", "%3f"),
        ] {
            let error = connect_options("databases.catalog.url", url).err();
            let error = error.unwrap_or_else(|| panic!("{url} is accepted")).to_string();
            assert!(
                error.starts_with("setting databases.catalog.url (APP__DATABASES__CATALOG__URL): "),
                "{error}"
            );
            assert!(error.contains(problem) && !error.contains("secret"), "{url}: {error}");
        }
    }
}
