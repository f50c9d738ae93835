//! A service is added to the shop by its crate and its stanza: the suite then starts it, migrates its database, gives
//! it the least rights, shows it, and delivers events to it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::{fs, os::unix::fs::symlink, path::Path, process::Command, time::Duration};

use harness::{beside_this_program, eventually};
use lapin::{
    BasicProperties, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use reqwest::{Client, Method, StatusCode, header};
use shop::{
    home::checkout,
    private::PrivateServers,
    registry::{Counts, Name, Registry},
    servers::{Choice, Purpose, Rabbitmq, Tools},
    suite::Suite,
    terminal::{Interrupt, Progress},
    token,
};
use sqlx::{Connection as _, PgConnection};

/// All that the shop is told about the service.
const STANZA: &str = r#"
[[service]]
name = "example"
crate = "example-api"
port = 5110
database = "example"
subscribes = ["shop.catalog.product_price_changed.v1"]
summary = "Notes the prices that products change to"
"#;

/// How long an effect may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A checkout like this one, with the crate and the stanza. What is under way in it is in `home`.
fn checkout_with_the_example(dir: &Path) -> Registry {
    let original = checkout();
    for entry in fs::read_dir(&original).unwrap() {
        let name = entry.unwrap().file_name();
        if !["services.toml", ".shop", ".git", "target"].contains(&name.to_str().unwrap()) {
            symlink(original.join(&name), dir.join(&name)).unwrap();
        }
    }
    symlink(env!("CARGO_MANIFEST_DIR"), dir.join("example-api")).unwrap();
    let services = fs::read_to_string(original.join("services.toml")).unwrap();
    fs::write(dir.join("services.toml"), services + STANZA).unwrap();
    Registry::of(dir).unwrap()
}

/// The whole shop with the example, ready, on servers of its own.
struct Shop {
    dir: tempfile::TempDir,
    suite: Suite,
    /// Ends every process when it is dropped.
    _servers: PrivateServers,
}

impl Shop {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let registry = checkout_with_the_example(dir.path());
        let (progress, interrupt) = (Progress::new(), Interrupt::default());
        let tools = Tools::find_or_install(&Choice::of_the_environment(), &progress, &interrupt).unwrap();
        let programs = registry.programs(Counts::default());
        let servers = PrivateServers::start(&registry, &tools, Purpose::Test, &programs, &interrupt).unwrap();
        let binaries = registry.binaries().into_iter();
        let binaries = binaries.map(|name| (name.to_owned(), beside_this_program(name).unwrap())).collect();
        let suite = servers.suite(binaries);
        suite.plan.save(&suite.home).unwrap();
        suite.ports.save(&suite.home).unwrap();
        suite.secrets.save(&suite.home).unwrap();
        symlink(suite.home.dir(), dir.path().join(".shop")).unwrap();
        suite.prepare(&interrupt).unwrap();
        for name in programs {
            suite.start_service(name, &interrupt).unwrap();
        }
        Self { dir, suite, _servers: servers }
    }

    async fn database(&self, role: &str) -> PgConnection {
        let password = self.suite.secrets.of(role).unwrap();
        let port = self.suite.ports.of(Name::Postgres).unwrap();
        let url = shop::servers::Postgres::url(port, role, password, "example");
        PgConnection::connect(&url).await.unwrap()
    }

    /// Sets the price of product 1, and waits until the example has noted it.
    async fn price_change_arrives(&self) {
        let url = self.suite.url(Name::CATALOG).unwrap();
        let request = Client::new().request(Method::PUT, format!("{url}/api/v1/catalog/items/1/price"));
        let request = request.bearer_auth(token::operator().unwrap());
        let request = request.header(header::CONTENT_TYPE, "application/json").body(r#"{"price":"123.45"}"#);
        assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);

        let mut database = self.database("example_owner").await;
        let noted = eventually("the price is noted", PATIENCE, async || {
            let query = "select product_id, price::text from noted_price";
            let rows: Vec<(i64, String)> = sqlx::query_as(query).fetch_all(&mut database).await.unwrap();
            (!rows.is_empty()).then_some(rows)
        });
        assert_eq!(noted.await, [(1, "123.45".to_owned())]);
        let url = self.suite.url(Name::Service("example")).unwrap();
        let listed = reqwest::get(format!("{url}/api/v1/example/prices")).await.unwrap();
        assert_eq!(listed.text().await.unwrap(), r#"[{"productId":1,"price":"123.45"}]"#);
    }

    async fn rights_are_the_least(&self) {
        let mut database = self.database("example_app").await;
        for statement in ["create table mine ()", "delete from noted_price", "truncate inbox"] {
            let error = sqlx::query(statement).execute(&mut database).await.unwrap_err();
            let code = error.as_database_error().unwrap().code().map(|code| code.to_string());
            assert_eq!(code.as_deref(), Some("42501"), "{statement}: {error}");
        }
        let port = self.suite.ports.of(Name::RABBITMQ).unwrap();
        let url = Rabbitmq::url(port, "example", self.suite.secrets.of("broker_example").unwrap());
        let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let key = "shop.catalog.product_price_changed.v1";
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let sent = channel.basic_publish("shop.events".into(), key.into(), options, b"{}", properties).await;
        let outcome = match sent {
            Ok(confirmation) => confirmation.await.map(drop),
            Err(error) => Err(error),
        };
        let error = outcome.unwrap_err();
        assert!(error.to_string().contains("ACCESS_REFUSED"), "{error}");
    }

    fn status_shows_it(&self) {
        let mut status = Command::new(beside_this_program("shop").unwrap());
        let output = status.arg("status").current_dir(self.dir.path()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        let port = self.suite.ports.of(Name::Service("example")).unwrap();
        let line = text.lines().find(|line| line.starts_with("example ")).unwrap_or_else(|| panic!("{text}"));
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[2..], ["running", &format!("http://127.0.0.1:{port}"), "ready"]);
    }

    async fn control_room_shows_it(&self) {
        let url = self.suite.url(Name::Storefront).unwrap();
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let form = client.post(format!("{url}/sign-in")).header("Sec-Fetch-Site", "same-origin");
        let form = form.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = form.body("name=olga&operator=on").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap();
        for (path, sign) in [("/ops", "example"), ("/ops/dead-letters", "id=\"dead-letters-example\"")] {
            let page =
                client.get(format!("{url}{path}")).header(header::COOKIE, cookie).send().await.unwrap();
            assert_eq!(page.status(), StatusCode::OK);
            let page = page.text().await.unwrap();
            assert!(page.contains(sign), "{path}: {page}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_added_by_one_crate_and_one_stanza() {
    let shop = tokio::task::block_in_place(Shop::start);
    shop.price_change_arrives().await;
    shop.rights_are_the_least().await;
    shop.status_shows_it();
    shop.control_room_shows_it().await;
    tokio::task::block_in_place(|| drop(shop));
}

#[test]
fn what_is_not_about_the_services_own_subject_is_at_most_120_lines() {
    let skeleton = include_str!("../../src/main.rs");
    assert!(skeleton.lines().count() <= 120, "{} lines", skeleton.lines().count());
}
