//! Forms about many things at once, where an answer is lost or a form is sent twice.

use std::future::ready;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::RequestBuilder;
use serde_json::json;
use test_kit::catalog::{item, response};
use test_kit::{Process, eventually, token};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;

use crate::alone::{NOBODY, form, operator_page, start_with};

/// The ids of two forms.
const FORMS: [&str; 2] = ["019ab2c5-8f3e-7d41-9c55-0c6a2f6f3b11", "019ab2c5-8f3e-7d41-9c55-0c6a2f6f3b12"];

/// Starts a service that answers so; without bytes it closes the connection.
async fn service<A>(answer: impl Fn(String) -> A + Clone + Send + Sync + 'static) -> String
where
    A: Future<Output = Option<Vec<u8>>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let Ok(request) = read(&mut connection).await else { return };
                if let Some(bytes) = answer(request).await {
                    connection.write_all(&bytes).await.unwrap();
                }
            });
        }
    });
    url
}

/// Reads a request with its body.
async fn read(connection: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    connection.read_exact(&mut body).await?;
    Ok(head + &String::from_utf8(body).unwrap())
}

/// Starts the pages with this basket and a control room.
fn start_with_basket(basket: &str) -> Process {
    start_with(&[
        ("APP__RELAY__URL", NOBODY),
        ("APP__SERVICES__BASKET__URL", basket),
        ("APP__SERVICES__BASKET__SUBSCRIBES", "true"),
    ])
}

/// An operator's form about all keys that wait at the basket.
fn about_waiting(storefront: &Process, id: &str, action: &str) -> RequestBuilder {
    let what = [("what", "waiting"), ("service", "basket"), ("all", "true")];
    let fields = [&what[..], &[("id", id), ("action", action), ("reason", "a test")]].concat();
    let session = format!("shop-session={}", token("olga", "ops"));
    form(storefront, "/ops/bulk", &fields).header("cookie", session)
}

#[tokio::test]
async fn after_a_lost_answer_keys_are_requeued_again_but_no_second_event_is_skipped() {
    let orders: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&orders);
    let basket = service(move |request: String| {
        let done = response("200 OK", "", r#"{"count":2}"#);
        if !request.contains(r#""dryRun":false"#) {
            return ready(Some(done));
        }
        // The first order of each kind is carried out, and its answer is lost.
        let line = request.lines().next().unwrap().to_owned();
        let mut seen = seen.lock().unwrap();
        let is_repeated = seen.contains(&line);
        seen.push(line);
        ready(is_repeated.then_some(done))
    })
    .await;
    let storefront = start_with_basket(&basket);
    for (id, action, end, calls) in [(FORMS[0], "requeue", "Done", 2), (FORMS[1], "skip", "Stopped", 1)] {
        let answer = about_waiting(&storefront, id, action).send().await.unwrap();
        assert_eq!(answer.status(), 303, "{action}");
        let page = eventually("the job has ended", Duration::from_secs(20), async || {
            let page = operator_page(&storefront, &format!("/ops/bulk/{id}")).await;
            (!page.contains("<h2>Going on</h2>")).then_some(page)
        })
        .await;
        assert!(page.contains(&format!("<h2>{end}</h2>")), "{action}: {page}");
        assert_eq!(page.contains("count again before you skip more"), action == "skip", "{page}");
        let orders = orders.lock().unwrap();
        assert_eq!(orders.iter().filter(|line| line.contains(action)).count(), calls, "{orders:?}");
    }
}

#[tokio::test]
async fn an_order_that_is_sent_twice_at_once_is_carried_out_once() {
    let both = Arc::new(Barrier::new(2));
    let orders: Arc<Mutex<u32>> = Arc::default();
    let seen = Arc::clone(&orders);
    let basket = service(move |request: String| {
        let (both, seen) = (Arc::clone(&both), Arc::clone(&seen));
        async move {
            if request.contains(r#""dryRun":true"#) {
                // Neither is counted before both are there.
                both.wait().await;
            } else if request.contains(r#""dryRun":false"#) {
                *seen.lock().unwrap() += 1;
            }
            Some(response("200 OK", "", r#"{"count":2}"#))
        }
    })
    .await;
    let storefront = start_with_basket(&basket);
    let send = || about_waiting(&storefront, FORMS[0], "skip").send();
    let (one, other) = tokio::join!(send(), send());
    for answer in [one.unwrap(), other.unwrap()] {
        assert_eq!(answer.status(), 303);
        assert_eq!(answer.headers()["location"], format!("/ops/bulk/{}", FORMS[0]));
    }
    eventually("it is done", Duration::from_secs(20), async || {
        let page = operator_page(&storefront, &format!("/ops/bulk/{}", FORMS[0])).await;
        page.contains("<h2>Done</h2>").then_some(())
    })
    .await;
    assert_eq!(*orders.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_batch_that_is_sent_twice_at_once_is_started_once() {
    let both = Arc::new(Barrier::new(2));
    let catalog = service(move |request: String| {
        let both = Arc::clone(&both);
        async move {
            if !request.starts_with("GET /api/v1/catalog/items?") {
                return Some(response("404 Not Found", "", "{}"));
            }
            // Neither has the products before both are there.
            both.wait().await;
            let page = json!({"count": 1, "data": [item(7, "10.00", 1)]});
            Some(response("200 OK", "", &page.to_string()))
        }
    })
    .await;
    let storefront = start_with(&[("APP__SERVICES__CATALOG__URL", &catalog)]);
    let session = format!("shop-session={}", token("merle", "catalog:write"));
    let send = || {
        let request = form(&storefront, "/merchant/batches", &[("id", FORMS[0]), ("percent", "10")]);
        request.header("cookie", &session).send()
    };
    let (one, other) = tokio::join!(send(), send());
    for answer in [one.unwrap(), other.unwrap()] {
        assert_eq!(answer.status(), 303);
        assert_eq!(answer.headers()["location"], format!("/merchant/batches/{}", FORMS[0]));
    }
}
