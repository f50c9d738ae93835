use shop::suite::Name;

#[test]
fn a_process_answers_to_its_short_name_and_to_its_binary() {
    for (text, name) in [
        ("catalog", Name::Catalog),
        ("catalog-api", Name::Catalog),
        ("basket", Name::Basket),
        ("basket-api", Name::Basket),
        ("relay", Name::Relay(1)),
        ("relay-1", Name::Relay(1)),
        ("outbox-relay", Name::Relay(1)),
        ("relay-2", Name::Relay(2)),
        ("outbox-relay-2", Name::Relay(2)),
        ("storefront", Name::Storefront),
        ("postgres", Name::Postgres),
        ("rabbitmq", Name::Rabbitmq),
    ] {
        assert_eq!(text.parse::<Name>().unwrap(), name);
    }
}

#[test]
fn a_name_that_nobody_has_is_refused_with_the_list_of_names() {
    for text in ["", "relays", "relay-0", "relay-8", "relay-", "../relay", "Catalog"] {
        let error = text.parse::<Name>().unwrap_err().to_string();
        assert!(error.contains("the names are catalog, basket, relay"), "{error}");
    }
}

#[test]
fn a_name_is_printed_as_it_is_read() {
    for name in Name::all(3) {
        assert_eq!(name.to_string().parse::<Name>().unwrap(), name);
    }
}
