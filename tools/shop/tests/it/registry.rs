use shop::registry::{Counts, Name, Registry};

/// The checkout's registry.
const SERVICES: &str = include_str!("../../../../services.toml");

/// The sentence that refuses the checkout's registry with `old` replaced by `new`.
fn refused(old: &str, new: &str) -> String {
    let text = SERVICES.replacen(old, new, 1);
    assert_ne!(text, SERVICES, "{old:?} is not in services.toml");
    let crates = [
        "catalog-api",
        "basket-api",
        "ordering-api",
        "payment-processor",
        "accounts-api",
        "notifier",
        "outbox-relay",
        "storefront",
    ];
    let has_crate = |name: &str| crates.contains(&name);
    let error = Registry::parse(&text, &has_crate).unwrap_err();
    assert_eq!(error.chain().count(), 1, "one sentence: {error:#}");
    error.to_string()
}

/// The number of the line that has this text.
fn line(text: &str, part: &str) -> usize {
    text.lines().position(|line| line.contains(part)).unwrap() + 1
}

#[track_caller]
fn assert_refused(old: &str, new: &str, sentence: &str) {
    let error = refused(old, new);
    let last = new.lines().last().unwrap();
    let line = line(&SERVICES.replacen(old, new, 1), last);
    assert_eq!(error, format!("services.toml line {line}: {sentence}"));
}

#[test]
fn a_port_that_is_taken_is_refused() {
    let catalog = line(SERVICES, "port = 5101");
    assert_refused(
        "port = 5102",
        "port = 5101 # twice",
        &format!("the port 5101 is taken by line {catalog}: choose another"),
    );
}

#[test]
fn a_port_outside_of_the_services_block_is_refused() {
    for port in ["80", "5100", "5150", "70000", "-1"] {
        let sentence = format!("the port {port} is not from 5101 to 5149: choose one");
        assert_refused("port = 5102", &format!("port = {port} # bad"), &sentence);
    }
    let error = refused("port = 5102", "port = \"5102\"");
    assert!(error.contains("invalid type: string \"5102\""), "{error}");
}

#[test]
fn a_storefront_on_a_port_of_the_relays_is_refused() {
    assert_refused(
        "port = 5100",
        "port = 5159",
        "the port 5159 is among the relays' (5150 to 5159): choose another",
    );
}

#[test]
fn a_name_that_is_taken_is_refused() {
    let catalog = line(SERVICES, "name = \"catalog\"");
    assert_refused(
        "name = \"basket\"",
        "name = \"catalog\" # twice",
        &format!("the name catalog is taken by line {catalog}: choose another"),
    );
    let database = line(SERVICES, "database = \"catalog\"");
    assert_refused(
        "database = \"basket\"",
        "database = \"catalog\" # twice",
        &format!("the database catalog is taken by line {database}: choose another"),
    );
}

#[test]
fn a_name_that_cannot_be_a_process_a_user_and_a_variable_is_refused() {
    for name in ["Basket", "my-basket", "2baskets", "", "basket.*", "abcdefghijklmnopqrstu"] {
        let sentence = format!(
            "the name {name:?} is not made of lower-case letters and digits, beginning with a letter, at most \
             20: choose another"
        );
        assert_refused("name = \"basket\"", &format!("name = \"{name}\""), &sentence);
    }
    for name in ["relay", "storefront", "postgres", "rabbitmq", "admin", "shop"] {
        let sentence = format!("the name {name} is not for services: choose another");
        assert_refused("name = \"basket\"", &format!("name = \"{name}\""), &sentence);
    }
    let error = refused("database = \"basket\"", "database = \"basket'; drop\"");
    assert!(error.contains("the database \"basket'; drop\" is not made of"), "{error}");
}

#[test]
fn an_unknown_key_is_refused_with_the_keys_that_there_are() {
    assert_refused(
        "port = 5102",
        "prot = 5102",
        "unknown key `prot`, expected one of `name`, `crate`, `port`, `database`, `seeds`, `publishes`, \
         `subscribes`, `calls`, `issuer`, `links`, `summary`",
    );
}

#[test]
fn a_missing_key_and_a_slip_of_the_pen_are_refused_with_their_line() {
    let error = refused("port = 5102\n", "");
    let stanza = line(SERVICES, "name = \"basket\"") - 1;
    assert_eq!(error, format!("services.toml line {stanza}: missing key `port`"));
    let error = refused("port = 5102", "port : 5102");
    assert!(error.starts_with(&format!("services.toml line {}: ", line(SERVICES, "port = 5102"))), "{error}");
}

#[test]
fn a_subscriber_of_a_type_that_no_service_publishes_is_refused() {
    assert_refused(
        "subscribes = [\n",
        "subscribes = [\n    \"shop.catalog.product_lost.v1\",\n",
        "no service publishes shop.catalog.product_lost.v1: add it to the publishes of one, or take it out of \
         subscribes",
    );
}

#[test]
fn a_type_that_is_not_the_publishers_own_is_refused() {
    for event in
        ["shop.basket.checked_out.v1", "catalog.added", "shop.catalog.added", "shop.catalog.added.v0"]
    {
        let sentence = format!(
            "catalog cannot publish {event:?}: its event types are shop.catalog.<what_happened>.v<n>"
        );
        assert_refused("publishes = [\n", &format!("publishes = [\n    \"{event}\",\n"), &sentence);
    }
}

#[test]
fn a_service_without_a_crate_is_refused() {
    assert_refused(
        "crate = \"basket-api\"",
        "crate = \"basketapi\"",
        "there is no basketapi/Cargo.toml: create the crate \"basketapi\", or correct the name",
    );
}

#[test]
fn a_call_of_a_service_that_is_not_there_is_refused() {
    assert_refused(
        "calls = [\"catalog\"]",
        "calls = [\"catalogue\"]",
        "there is no service \"catalogue\" to call: add its stanza, or take it out of calls",
    );
}

#[test]
fn a_process_answers_to_its_short_name_and_to_its_binary() {
    let registry = Registry::of_checkout().unwrap();
    for (text, name) in [
        ("catalog", Name::CATALOG),
        ("catalog-api", Name::CATALOG),
        ("basket", Name::BASKET),
        ("basket-api", Name::BASKET),
        ("relay", Name::Relay(1)),
        ("relay-1", Name::Relay(1)),
        ("outbox-relay", Name::Relay(1)),
        ("relay-2", Name::Relay(2)),
        ("outbox-relay-2", Name::Relay(2)),
        ("storefront", Name::Storefront),
        ("postgres", Name::Postgres),
        ("rabbitmq", Name::RABBITMQ),
        ("broker", Name::RABBITMQ),
        ("rabbitmq-2", Name::Rabbitmq(2)),
        ("broker-3", Name::Rabbitmq(3)),
        ("basket-1", Name::BASKET),
        ("basket-2", Name::basket(2)),
    ] {
        assert_eq!(registry.process(text).unwrap(), name);
    }
    for name in registry.processes(Counts { brokers: 3, relays: 3, baskets: 2 }) {
        assert_eq!(registry.process(&name.to_string()).unwrap(), name);
    }
}

#[test]
fn a_name_that_no_process_has_is_refused_with_the_list_of_names() {
    for text in [
        "",
        "relays",
        "relay-0",
        "relay-11",
        "relay-",
        "broker-4",
        "basket-6",
        "catalog-2",
        "../relay",
        "Catalog",
    ] {
        let error = Registry::of_checkout().unwrap().process(text).unwrap_err().to_string();
        assert!(
            error.contains("the names are catalog, basket, ordering, payment, accounts, notifier, relay"),
            "{error}"
        );
    }
}
