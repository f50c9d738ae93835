//! Clients that take their time.

use std::time::Duration;

use suite_tests::{Merchant, Suite};
use tokio::io::AsyncReadExt;

use super::crowd::{SOON, Taken, address, all_ended, make_room, open, served_while};

/// Clients of each kind.
const EACH: usize = 250;

/// Clients that are several times too many.
const FLOOD: usize = 600;

/// What the service gives a client for most things, in milliseconds.
const LIMIT: &str = "1500";

/// How long it may take until the last has lost its connection: several times the patience, and a busy machine.
const ALL: Duration = Duration::from_secs(25);

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_of_every_kind_hold_up_nobody_and_lose_their_connections() {
    make_room(EACH * 6);
    let suite = Suite::set_up().await;
    // A head gets its usual 5 s: those who are served meanwhile need them on a busy machine.
    let settings = ["BODY", "UNREAD", "IDLE"].map(|of| format!("APP__HTTP__{of}_TIMEOUT_MS"));
    let settings: Vec<(&str, &str)> = settings.iter().map(|name| (name.as_str(), LIMIT)).collect();
    let catalog = suite.start_catalog(&settings);
    let product = format!("{}/api/v1/catalog/items/7", catalog.url);
    Merchant::of(&catalog).price(7, "11.00").await;
    let (before, address) = (Taken::by(&catalog), address(&catalog));

    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\n");
    let item = get("/api/v1/catalog/items/7");
    let put = "PUT /api/v1/catalog/items/7/price HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    served_while(product.clone(), async {
        let silent = open(address, EACH, |_| String::new()).await;
        let heads = open(address, EACH, |_| item.clone() + "x-slow: ").await;
        let mut later = open(address, EACH, |_| item.clone() + "\r\n").await;
        for socket in &mut later {
            let mut answer = Vec::new();
            while !answer.ends_with(b"}") {
                assert!(socket.read_buf(&mut answer).await.expect("an answer") > 0);
            }
            tokio::io::AsyncWriteExt::write_all(socket, item.as_bytes()).await.expect("sent");
        }
        let bodies = open(address, EACH, |_| format!("{put}content-length: 99\r\n\r\n{{")).await;
        let chunks = open(address, EACH, |_| format!("{put}transfer-encoding: chunked\r\n\r\n9\r\n{{")).await;
        let (page, large) = (get("/api/v1/catalog/items?pageSize=100"), get("/openapi.json"));
        let unread = |number| if number % 5 == 0 { page.clone() } else { large.clone() } + "\r\n";
        let unread = open(address, EACH, |number| unread(number).repeat(2)).await;
        // They are read only after the service has closed its side of all.
        before.bounds(&catalog, 64);
        before.is_back(&catalog, ALL).await;
        let kinds = [
            ("silent clients", silent),
            ("clients in the middle of a head", heads),
            ("clients in the middle of a later head", later),
            ("clients in the middle of a body", bodies),
            ("clients in the middle of a chunk", chunks),
            ("clients that read nothing", unread),
        ];
        for (what, sockets) in kinds {
            all_ended(what, sockets, SOON).await;
        }
    })
    .await;
    before.bounds(&catalog, 64);
    assert_eq!(Merchant::of(&catalog).price_of(7).await, "11.00", "none of the halves of a change counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_connections_over_the_limit_waits_its_turn_and_so_do_others() {
    make_room(FLOOD);
    let suite = Suite::set_up().await;
    let catalog = suite
        .start_catalog(&[("APP__HTTP__MAX_CONNECTIONS", "200"), ("APP__HTTP__HEADER_TIMEOUT_MS", "1000")]);
    let (before, address) = (Taken::by(&catalog), address(&catalog));
    let product = format!("{}/api/v1/catalog/items/7", catalog.url);
    served_while(product, async {
        let silent = open(address, FLOOD, |_| String::new()).await;
        assert!(catalog.open_files() < 200 * 2 + 100, "no more than the limit are let in");
        all_ended("silent clients", silent, ALL).await;
    })
    .await;
    before.bounds(&catalog, 64);
    before.is_back(&catalog, SOON).await;
}
