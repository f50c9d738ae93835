//! Where settings come from, and what a wrong one says.

use std::io::Write;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use service_kit::settings::{
    AuthSettings, DatabaseSettings, HttpSettings, LogFormat, LogSettings, Mode, load_from,
};
use service_kit::sse::StreamSettings;
use tempfile::NamedTempFile;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    http: HttpSettings,
    database: DatabaseSettings,
    #[serde(default)]
    auth: AuthSettings,
    #[serde(default)]
    log: LogSettings,
    #[serde(default)]
    broker: Option<Broker>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Broker {
    url: SecretString,
}

const DATABASE: (&str, &str) = ("APP__DATABASE__URL", "postgres://u:hunter2@h/d");

fn load(file: Option<&str>, variables: &[(&str, &str)]) -> anyhow::Result<Settings> {
    let file = file.map(written);
    let variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    load_from(file.as_ref().map(NamedTempFile::path), variables)
}

fn written(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

fn refused(file: Option<&str>, variables: &[(&str, &str)]) -> String {
    format!("{:#}", load(file, variables).expect_err("refused"))
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let file = "mode = 'development'\n[http]\nport = 1\nhost = '::'\n[log]\nformat = 'json'\n";
    let settings = load(Some(file), &[DATABASE, ("APP__HTTP__PORT", "2")]).expect("good settings");
    assert_eq!((settings.http.port, settings.http.host.as_str()), (Some(2), "::"));
    assert_eq!(settings.http.body_limit_bytes, 64 * 1024);
    assert_eq!((settings.mode, settings.log.format), (Mode::Development, LogFormat::Json));
    assert_eq!((settings.auth.issuer.as_str(), settings.database.max_connections), ("shop", 16));
}

#[test]
fn the_mode_is_production_unless_said_otherwise() {
    assert_eq!(load(None, &[DATABASE]).expect("good settings").mode, Mode::Production);
}

#[test]
fn a_secret_is_taken_from_a_file_and_stays_as_it_is() {
    let file = written("007\n");
    let path = file.path().to_str().expect("text");
    let settings = load(None, &[DATABASE, ("APP__AUTH__SECRET_FILE", path)]).expect("good settings");
    assert_eq!(settings.auth.secret.expect("a secret").expose_secret(), "007");

    let twice = refused(None, &[DATABASE, ("APP__AUTH__SECRET", "x"), ("APP__AUTH__SECRET_FILE", path)]);
    assert!(twice.contains("APP__AUTH__SECRET_FILE"), "{twice}");
    let missing = refused(None, &[DATABASE, ("APP__BROKER__URL_FILE", "/no/such/file")]);
    assert!(missing.contains("APP__BROKER__URL_FILE"), "{missing}");
}

#[test]
fn a_wrong_setting_is_named() {
    for (variable, value, names) in [
        ("APP__HTTP__PORT", "eighty", "APP__HTTP__PORT"),
        ("APP__HTTP__PORT", "70000", "APP__HTTP__PORT"),
        ("APP__MODE", "staging", "APP__MODE"),
        ("APP__HTTP__PROT", "80", "prot"),
        ("APP__LOG__FORMAT", "xml", "APP__LOG__FORMAT"),
    ] {
        let error = refused(None, &[DATABASE, (variable, value)]);
        assert!(error.contains(names), "{variable}={value}: {error}");
    }
    let error = refused(None, &[]);
    assert!(error.contains("database"), "{error}");
    let error = refused(None, &[("APP__BROKER__URL", "amqp://x"), ("APP__DATABASE__MAX_CONNECTIONS", "3")]);
    assert!(error.contains("url"), "{error}");
    let error = refused(Some("[http]\nport = \n"), &[DATABASE]);
    assert!(error.contains("settings"), "{error}");
}

#[test]
fn a_number_with_which_nothing_would_be_served_or_limited_is_named() {
    for (variable, value) in [
        ("APP__HTTP__HEADER_TIMEOUT_MS", "0"),
        ("APP__HTTP__REQUEST_TIMEOUT_MS", "0"),
        ("APP__HTTP__MAX_CONNECTIONS", "0"),
        ("APP__HTTP__WORKERS", "0"),
        ("APP__HTTP__IDLE_TIMEOUT_MS", "99999999999999999"),
        ("APP__DATABASE__MAX_CONNECTIONS", "0"),
    ] {
        let settings = load(None, &[DATABASE, (variable, value)]).expect("numbers");
        let error = settings.http.check().and_then(|()| settings.database.check()).expect_err(variable);
        assert!(error.to_string().contains(variable), "{error}");
    }
}

#[test]
fn limits_with_which_no_stream_would_be_served_are_named() {
    assert!(StreamSettings::default().check().is_ok());
    for (settings, variable) in [
        (StreamSettings { max: 0, max_per_buyer: 16 }, "(APP__STREAMS__MAX)"),
        (StreamSettings { max: 5_000, max_per_buyer: 0 }, "(APP__STREAMS__MAX_PER_BUYER)"),
    ] {
        let error = settings.check().expect_err(variable);
        assert!(error.to_string().contains(variable), "{error}");
    }
}

#[test]
fn printing_settings_shows_no_secret() {
    let settings =
        load(None, &[DATABASE, ("APP__AUTH__SECRET", "hunter3"), ("APP__BROKER__URL", "amqp://u:hunter4@h")])
            .expect("good settings");
    assert!(!format!("{settings:?}").contains("hunter"));
    assert!(settings.broker.expect("set").url.expose_secret().contains("hunter4"));
}

#[test]
fn a_broker_that_can_never_be_reached_is_refused_by_the_name_of_its_setting() {
    #[derive(Deserialize)]
    struct OfARelay {
        broker: service_kit::settings::BrokerSettings,
    }
    let refused = |variables: &[(&str, &str)]| {
        let variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let settings: OfARelay = load_from(None, variables).expect("can be read");
        format!("{:#}", settings.broker.config().expect_err("refused"))
    };
    for url in [
        "kafka://u:hunter5@h:9092",
        "a,b",
        "amqp://u:hunter5@h/v,",
        "amqp://u:hunter5@h:port/v",
        "amqp://u:hunter5@h/v?hart=5",
    ] {
        let error = refused(&[("APP__BROKER__URL", url)]);
        assert!(error.starts_with("setting broker.url (APP__BROKER__URL): "), "{error}");
        assert!(!error.contains("hunter"), "{error}");
    }
    let error = refused(&[("APP__BROKER__URL", "amqp://h"), ("APP__BROKER__EXCHANGE", "amq.topic")]);
    assert!(error.starts_with("setting broker.exchange (APP__BROKER__EXCHANGE): "), "{error}");
}
