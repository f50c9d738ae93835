//! Nonsense over HTTP is refused, and changes nothing.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use fastrand::Rng;
use futures_util::{StreamExt, stream};
use suite_tests::{Buyer, Merchant, Suite};
use test_kit::{Process, eventually};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    super::{
        operation::{Operation, operations},
        traces::contents,
    },
    crowd::address,
    nonsense::nonsense,
};

/// How many requests are made, unless `MALFORMED_REQUESTS` says how many.
const USUALLY: usize = 2_000;

/// Requests on their way at once: as many as a service has connections to its database, so that none is refused for
/// being one too many.
const AT_ONCE: usize = 16;

/// How long an answer, or the end of the connection, may take: longer than the service waits for a body.
const ANSWER: Duration = Duration::from_secs(20);

const LONG: Duration = Duration::from_mins(1);

/// How often there was which answer; 0 stands for none.
type Answers = BTreeMap<u16, usize>;

struct Target {
    operations: Vec<Operation>,
    address: SocketAddr,
}

#[tokio::test]
async fn no_malformed_request_is_answered_with_5xx_or_changes_a_price() {
    let count = std::env::var("MALFORMED_REQUESTS").map_or(USUALLY, |text| text.parse().expect("a number"));
    let seed = std::env::var("MALFORMED_SEED")
        .map_or_else(|_| fastrand::u64(..), |text| text.parse().expect("a number"));
    println!("{count} malformed requests from seed {seed}: MALFORMED_SEED={seed} makes the same ones");
    let suite = Suite::set_up().await;
    let short = [("APP__HTTP__HEADER_TIMEOUT_MS", "1000"), ("APP__HTTP__BODY_TIMEOUT_MS", "1000")];
    let (catalog, relay) = (suite.start_catalog(&short), suite.start_relay(&short));
    let basket = suite.start_basket(&catalog, &short);
    let alice = Buyer::of(&basket, "alice");
    alice.takes(7, 1).await;
    Merchant::of(&catalog).price(7, "12.34").await;
    alice.until_price("12.34").await;
    let mut targets = Vec::new();
    for service in [&catalog, &basket, &relay] {
        targets.push(Target { operations: all_of(service).await, address: address(service) });
    }
    let products = async || {
        let all = contents(&suite.catalog.pool).await;
        all.into_iter().find(|(table, _)| table == "product").expect("a table of products")
    };

    // Clients without the scope change no price, whatever they send.
    let (before, mut random) = (products().await, Rng::with_seed(seed));
    let visitors = [None, Some(test_kit::token("alice", "")), Some(test_kit::token("olga", "ops"))];
    let mut answers = ask(&targets, &visitors, count / 4 * 3, &mut random).await;
    assert_eq!(products().await, before, "a product was changed by those who must not");

    // Clients with the scope cause no event that a consumer cannot handle.
    let merchant = [Some(test_kit::token("alice", "catalog:write"))];
    for (status, times) in ask(&targets[..1], &merchant, count / 4, &mut random).await {
        *answers.entry(status).or_default() += times;
    }
    println!("answers: {answers:?}");
    for service in [&catalog, &basket, &relay] {
        service.until_ready(true).await;
    }
    Merchant::of(&catalog).price(8, "43.21").await;
    alice.takes(8, 1).await;
    eventually("every event is published and handled", LONG, async || {
        let pending = "select count(*) from integration_event_log where state = 'NotPublished'";
        let pending: i64 = sqlx::query_scalar(pending).fetch_one(&suite.catalog.pool).await.unwrap();
        let line =
            alice.cart().await["items"].as_array().unwrap().iter().any(|item| item["unitPrice"] == "43.21");
        (pending == 0 && line).then_some(())
    })
    .await;
    assert!(suite.vhost.take("basket.events.dead").await.is_none(), "an event that cannot be handled");
    assert!(answers.range(400..500).map(|(_, times)| times).sum::<usize>() > count / 2, "{answers:?}");
}

async fn all_of(service: &Process) -> Vec<Operation> {
    let about = |path: &str, parameter: &str| match parameter {
        "buyerId" => "alice".to_owned(),
        _ if path.contains("/outbox/events/")
            || path.contains("/outbox/scheduled/")
            || path.contains("/dead-letters/") =>
        {
            uuid::Uuid::nil().to_string()
        }
        _ => "7".to_owned(),
    };
    operations(service, about).await
}

/// Asks for nonsense; panics at an answer 5xx, or where there is no end.
async fn ask(targets: &[Target], tokens: &[Option<String>], count: usize, random: &mut Rng) -> Answers {
    let requests = std::iter::repeat_with(|| {
        let target = &targets[random.usize(0..targets.len())];
        let operation = &target.operations[random.usize(0..target.operations.len())];
        let token = tokens[random.usize(0..tokens.len())].as_deref();
        // Its 503 is what it is there for: a busy machine may keep one of its checks waiting.
        let may_be_503 = operation.url.ends_with("/health/ready");
        (target.address, nonsense(operation, token, random), may_be_503)
    });
    let mut answers = Answers::new();
    let mut outcomes = stream::iter(requests.take(count))
        .map(async |(address, request, may_be_503)| (answer(address, &request).await, request, may_be_503))
        .buffer_unordered(AT_ONCE);
    while let Some((outcome, request, may_be_503)) = outcomes.next().await {
        let shown = || String::from_utf8_lossy(&request[..request.len().min(600)]).into_owned();
        let statuses = outcome.unwrap_or_else(|| panic!("no end within {ANSWER:?}: {}", shown()));
        for status in statuses {
            assert!(status < 500 || may_be_503 && status == 503, "{status}: {}", shown());
            *answers.entry(status).or_default() += 1;
        }
    }
    answers
}

/// The status of each answer to what is sent; 0 where there is none. `None` where it takes too long.
async fn answer(address: SocketAddr, request: &[u8]) -> Option<Vec<u16>> {
    let asking = async {
        let mut socket = TcpStream::connect(address).await.expect("the service listens");
        // It may end the connection before it has seen everything.
        if socket.write_all(request).await.is_ok() {
            drop(socket.shutdown().await);
        }
        let mut answer = Vec::new();
        while socket.read_buf(&mut answer).await.is_ok_and(|length| length > 0) {
            // A stream of alerts would never end.
            if answer.windows(17).any(|part| part == b"text/event-stream") {
                break;
            }
        }
        let text = String::from_utf8_lossy(&answer);
        let statuses = text.split("HTTP/1.1 ").skip(1).filter_map(|rest| rest.get(..3)?.parse().ok());
        let statuses: Vec<u16> = statuses.collect();
        if statuses.is_empty() { vec![0] } else { statuses }
    };
    tokio::time::timeout(ANSWER, asking).await.ok()
}
