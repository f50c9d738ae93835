//! The database away, or too slow.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use service_kit::database;
use sqlx::PgPool;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::app::{App, header, problem, subscribed_before};

/// Passes connections on to the database of `pool`, until cut.
async fn gate(pool: &PgPool, port: Option<u16>) -> (u16, CancellationToken) {
    let options = pool.connect_options();
    let target = (options.get_host().to_owned(), options.get_port());
    let listener = test_kit::eventually("the port is free again", Duration::from_secs(5), async || {
        TcpListener::bind(("127.0.0.1", port.unwrap_or(0))).await.ok()
    })
    .await;
    let port = listener.local_addr().expect("an address").port();
    let cut = CancellationToken::new();
    let token = cut.clone();
    tokio::spawn(async move {
        while let Some(Ok((mut client, _))) = token.run_until_cancelled(listener.accept()).await {
            let (target, token) = (target.clone(), token.clone());
            tokio::spawn(token.run_until_cancelled_owned(async move {
                if let Ok(mut server) = TcpStream::connect((target.0.as_str(), target.1)).await {
                    drop(copy_bidirectional(&mut client, &mut server).await);
                }
            }));
        }
    });
    (port, cut)
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn without_its_database_the_service_answers_503_and_recovers_by_itself(pool: PgPool) {
    subscribed_before(&pool).await;
    let options = pool.connect_options().as_ref().clone().host("127.0.0.1").port(1);
    let (port, cut) = gate(&pool, None).await;
    cut.cancel();
    // It starts while its database is away.
    let service = database::connect_with(options.port(port), 4);
    let app = App::with(pool.clone(), &service);
    let health = |path: &'static str| {
        let url = format!("http://{}{path}", app.address);
        async move { reqwest::get(url).await.expect("an answer").status().as_u16() }
    };
    assert_eq!((health("/health/live").await, health("/health/ready").await), (200, 503));
    for request in [
        app.request(Method::GET, "/items"),
        app.write(Method::PUT, "/items/1/price").json(&json!({"price": "1"})),
    ] {
        let answer = request.send().await.expect("an answer");
        assert_eq!(header(&answer, "retry-after"), "1");
        problem(answer, 503, "unavailable").await;
    }

    let (_, cut) = gate(&pool, Some(port)).await;
    let ready = async || (health("/health/ready").await == 200).then_some(());
    test_kit::eventually("ready again", Duration::from_secs(15), ready).await;
    assert_eq!(app.get("/items").await.status(), 200);

    cut.cancel();
    let away = async || (app.get("/items").await.status() == 503).then_some(());
    test_kit::eventually("away again", Duration::from_secs(15), away).await;
    let (_, _cut) = gate(&pool, Some(port)).await;
    test_kit::eventually("ready a second time", Duration::from_secs(15), ready).await;
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_product_that_somebody_holds_too_long_is_503_not_500(pool: PgPool) {
    let app = App::spawn(pool).await;
    let id = app.product_priced_at("1.00").await;
    let options = app.pool.connect_options().as_ref().clone();
    // As `alter role` sets it for the service's own role.
    let impatient =
        database::connect_with(options.options([("role", "catalog_app"), ("lock_timeout", "200ms")]), 4);
    let service = App::with(app.pool.clone(), &impatient);
    let mut holder = app.pool.begin().await.expect("a transaction");
    sqlx::query("select from product where product_id = $1 for update")
        .bind(id)
        .execute(&mut *holder)
        .await
        .expect("locked");
    let answer = service.put_price(id, "2.00").await;
    assert_eq!(header(&answer, "retry-after"), "1");
    problem(answer, 503, "unavailable").await;
    holder.rollback().await.expect("let go");
    assert_eq!(service.put_price(id, "2.00").await.status(), 200);
}
