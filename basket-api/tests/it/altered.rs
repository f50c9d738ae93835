//! Tables that are altered under a running service.

use event_bus::rabbitmq::QueueAdmin;
use reqwest::Method;
use sqlx::PgPool;
use test_kit::vhost;

use crate::{
    announced::{add, announce, change, spawn, taken_in},
    app::TestApp,
};

async fn serves(app: &TestApp, quantity: i64) {
    for buyer in ["alice", "bob", "alice"] {
        app.fill(buyer, 1, quantity).await;
        app.alerts(buyer).await;
        app.acknowledge(buyer).await;
    }
    assert_eq!(app.basket(Method::DELETE, "bob", "").send().await.unwrap().status(), 204);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn an_altered_column_fails_no_request_and_no_event(pool: PgPool) {
    let vhost = vhost().await;
    let app = spawn(&pool, &vhost).await;
    let mut events = vec![add(1, "1.00")];
    announce(&vhost, &events[0]).await;
    assert!(taken_in(&pool, &events[0]).await);
    serves(&app, 1).await;
    for (version, alter) in (2..).zip([
        "alter table product alter column price type numeric(14,2)",
        "alter table cart_line alter column unit_price type numeric(14,2)",
        "alter table alert alter column product_name type varchar(1000)",
        "alter table product alter column name type varchar(1000)",
    ]) {
        sqlx::raw_sql(alter).execute(&pool).await.unwrap();
        let event = change(1, &format!("{}.00", version - 1), &format!("{version}.00"), version);
        announce(&vhost, &event).await;
        serves(&app, version).await;
        assert!(taken_in(&pool, &event).await);
        events.push(event);
        assert_eq!(app.see("alice").await["items"][0]["unitPrice"], format!("{version}.00"));
    }
    let config = event_bus::BrokerConfig::new(vhost.url.clone(), "shop.events");
    let letters = QueueAdmin::new("basket", config).dead_letters(10).await.unwrap();
    assert_eq!(letters.data, []);
}
