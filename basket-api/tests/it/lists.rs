//! Lists of products, private and public, and reading what was written elsewhere.

use std::time::{Duration, Instant};

use basket_api::subscriptions::{EraseBuyer, GiveFirstList};
use event_bus::{BatchHandler, Received};
use futures_util::future::join_all;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::app::{TestApp, add_product, handle, problem, reprice};

fn about<H: BatchHandler>(_: &H, user: Uuid) -> Received<H::Payload> {
    Received {
        source: "/accounts".to_owned(),
        ..Received::new(
            user.to_string(),
            1,
            serde_json::from_value(json!({"userId": user, "userName": "Ann", "email": "ann@buyers.example"}))
                .unwrap(),
        )
    }
}

async fn send(app: &TestApp, method: Method, buyer: &str, list: &str, body: Value) -> Response {
    let request = app.basket(method, buyer, &format!("/lists{list}"));
    if body.is_null() { request } else { request.json(&body) }.send().await.unwrap()
}

async fn made(app: &TestApp, buyer: &str, name: &str, public: bool) -> Value {
    let answer = send(app, Method::POST, buyer, "", json!({"name": name, "public": public})).await;
    assert_eq!(answer.status(), 201);
    answer.json().await.unwrap()
}

async fn public(app: &TestApp) -> Value {
    app.request(Method::GET, "/api/v1/lists").send().await.unwrap().json().await.unwrap()
}

fn path(list: &Value) -> String {
    format!("/{}", list["listId"].as_str().unwrap())
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_list_is_made_changed_at_its_version_and_deleted(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let body = json!({"name": " Cafe\u{301} ", "productIds": [7, 1]});
    let answer = send(&app, Method::POST, "alice", "", body).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["etag"]), (201, &"\"1\"".parse().unwrap()));
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let list: Value = answer.json().await.unwrap();
    let id = list["listId"].clone();
    let expected = json!({"listId": id, "name": "Café", "public": false, "productIds": [7, 1], "version": 1});
    assert_eq!(list, expected);
    assert_eq!(location, format!("/api/v1/basket/alice/lists{}", path(&list)));
    assert_eq!(
        send(&app, Method::GET, "alice", &path(&list), Value::Null).await.json::<Value>().await.unwrap(),
        list
    );

    let wanted = json!({"name": "Hut", "public": true, "productIds": [7]});
    let put = |tag: &'static str| {
        let request = app.basket(Method::PUT, "alice", &format!("/lists{}", path(&list)));
        request.header("if-match", tag).json(&wanted).send()
    };
    let changed: Value = put("\"1\"").await.unwrap().json().await.unwrap();
    let expected = json!({"listId": id, "name": "Hut", "public": true, "productIds": [7], "version": 2});
    assert_eq!(changed, expected);
    assert_eq!(problem(put("\"1\"").await.unwrap()).await["status"], 412);
    assert_eq!(put("\"2\"").await.unwrap().json::<Value>().await.unwrap()["version"], 2, "nothing changed");

    made(&app, "alice", "Second", false).await;
    let all: Value = send(&app, Method::GET, "alice", "", Value::Null).await.json().await.unwrap();
    let paging =
        (&all["pageIndex"], &all["pageSize"], &all["count"], &all["data"][0], &all["data"][1]["name"]);
    assert_eq!(paging, (&json!(0), &json!(10), &json!(2), &changed, &json!("Second")));
    // Others neither see nor change it.
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(send(&app, method, "bob", &path(&list), Value::Null).await.status(), 404);
    }
    assert_eq!(send(&app, Method::PUT, "bob", &path(&list), wanted.clone()).await.status(), 404);
    assert_eq!(send(&app, Method::DELETE, "alice", &path(&list), Value::Null).await.status(), 204);
    assert_eq!(send(&app, Method::DELETE, "alice", &path(&list), Value::Null).await.status(), 404);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn everybody_sees_public_lists_as_they_are_now_and_not_whose_they_are(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    made(&app, "alice", "Secret", false).await;
    let (first, second) = (made(&app, "alice", "Tents", true).await, made(&app, "bob", "Stoves", true).await);
    let seen = public(&app).await;
    assert_eq!(seen, json!({"pageIndex": 0, "pageSize": 10, "count": 2, "data": [second, first]}));
    assert!(!seen.to_string().contains("alice"));

    let body = json!({"name": "Big tents", "public": true, "productIds": [3]});
    let changed: Value = send(&app, Method::PUT, "alice", &path(&first), body).await.json().await.unwrap();
    assert_eq!(public(&app).await["data"], json!([second, changed]));
    let body = json!({"name": "Big tents", "public": false});
    assert_eq!(send(&app, Method::PUT, "alice", &path(&first), body).await.status(), 200);
    assert_eq!(public(&app).await["data"], json!([second]));
    send(&app, Method::DELETE, "bob", &path(&second), Value::Null).await;
    assert_eq!(public(&app).await["count"], 0);

    // Where the index cannot be written, the list is not changed either.
    sqlx::query("alter table public_list add constraint broken check (name <> 'Broken')")
        .execute(&pool)
        .await
        .unwrap();
    let body = json!({"name": "Broken", "public": true});
    assert_eq!(send(&app, Method::PUT, "alice", &path(&first), body).await.status(), 500);
    let list = send(&app, Method::GET, "alice", &path(&first), Value::Null).await;
    assert_eq!(list.json::<Value>().await.unwrap()["name"], "Big tents");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_buyer_has_at_most_50_lists_however_many_are_made_at_once(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let all = join_all((0..60).map(|number| {
        let body = json!({"name": format!("List {number}")});
        send(&app, Method::POST, "alice", "", body)
    }));
    let mut made = 0;
    for answer in all.await {
        match answer.status().as_u16() {
            201 => made += 1,
            _ => assert_eq!(problem(answer).await["type"], "/problems/too-many-lists"),
        }
    }
    assert_eq!(made, 50);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_first_list_that_comes_late_is_not_the_51st(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let user = Uuid::now_v7();
    let id = user.to_string();
    for number in 1..=50 {
        made(&app, &id, &format!("List {number}"), false).await;
    }
    handle(&pool, &GiveFirstList, &[about(&GiveFirstList, user)]).await;
    let lists: Value = send(&app, Method::GET, &id, "", Value::Null).await.json().await.unwrap();
    assert_eq!(lists["count"], 50);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn what_is_no_list_is_refused(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let list = made(&app, "alice", "Tents", false).await;
    let (many, long) = ((1..=501).collect::<Vec<i64>>(), "x".repeat(101));
    for body in [
        json!({}),
        json!({"name": ""}),
        json!({"name": "  "}),
        json!({"name": long}),
        json!({"name": 7}),
        json!({"name": null}),
        json!({"name": "a\u{0}"}),
        json!({"name": "a\nb"}),
        json!({"name": "\u{202e}abc"}),
        json!({"name": "a", "productIds": [1, 1]}),
        json!({"name": "a", "productIds": [0]}),
        json!({"name": "a", "productIds": ["1"]}),
        json!({"name": "a", "productIds": [1.5]}),
        json!({"name": "a", "productIds": many}),
        json!({"name": "a", "public": "yes"}),
        json!({"name": "a", "colour": "red"}),
        json!([{"name": "a"}]),
    ] {
        for (method, place) in [(Method::POST, String::new()), (Method::PUT, path(&list))] {
            let answer = send(&app, method, "alice", &place, body.clone()).await;
            assert_eq!(answer.status(), 400, "{body}");
            assert_eq!(problem(answer).await["type"], "/problems/validation", "{body}");
        }
    }
    for (query, status) in [
        ("?pageSize=0", 400),
        ("?pageSize=101", 400),
        ("?pageIndex=-1", 400),
        ("?colour=red", 400),
        ("?pageIndex=4294967295&pageSize=100", 200),
        ("/seven", 404),
        ("/00000000-0000-0000-0000-000000000000", 404),
    ] {
        assert_eq!(send(&app, Method::GET, "alice", query, Value::Null).await.status(), status, "{query}");
        if query.starts_with('?') {
            let path = format!("/api/v1/lists{query}");
            assert_eq!(app.request(Method::GET, &path).send().await.unwrap().status(), status, "{query}");
        }
    }
    let plain = app.basket(Method::POST, "alice", "/lists").body("name=a").send().await.unwrap();
    assert_eq!(plain.status(), 415);
    assert_eq!(
        send(&app, Method::GET, "alice", "", Value::Null).await.json::<Value>().await.unwrap()["count"],
        1
    );
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn who_registers_has_one_list_and_who_is_gone_leaves_nothing(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let user = Uuid::now_v7();
    let (registered, id) = (about(&GiveFirstList, user), user.to_string());
    let event = registered.id;
    handle(&pool, &GiveFirstList, &[registered]).await;
    // Even one that the inbox would let through again.
    handle(&pool, &GiveFirstList, &[Received { id: event, ..about(&GiveFirstList, user) }]).await;
    let lists: Value = send(&app, Method::GET, &id, "", Value::Null).await.json().await.unwrap();
    let first =
        json!({"listId": event, "name": "Favourites", "public": false, "productIds": [], "version": 1});
    assert_eq!((&lists["count"], &lists["data"][0]), (&json!(1), &first));

    made(&app, &id, "Tents", true).await;
    add_product(&pool, 1, "10.00").await;
    app.fill(&id, 1, 1).await;
    app.fill("alice", 1, 1).await;
    reprice(&pool, 1, "10.00", "12.50", 2).await;
    handle(&pool, &EraseBuyer, &[about(&EraseBuyer, user)]).await;
    for table in ["list", "cart", "cart_line", "alert"] {
        let query = format!("select count(*) from {table} where buyer_id = $1");
        let count: i64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(query)).bind(&id).fetch_one(&pool).await.unwrap();
        assert_eq!(count, 0, "{table}");
    }
    assert_eq!(public(&app).await["count"], 0);
    assert_eq!(app.see("alice").await["items"].as_array().unwrap().len(), 1, "others keep theirs");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_read_waits_for_the_event_that_it_is_to_show(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let event = Uuid::now_v7();
    let enter = async |event: Uuid| {
        sqlx::query(
            "insert into inbox (consumer, event_id, source, event_type, key, key_version, applied, redelivered)
             values ('basket', $1, '/accounts', 'shop.accounts.user_registered.v1', 'k', 1, true, false)",
        )
        .bind(event)
        .execute(&pool)
        .await
        .unwrap();
    };
    let get = |path: &str, event: &str| {
        let request = if path.is_empty() { "/api/v1/lists" } else { path };
        let request = app.request(Method::GET, request).bearer_auth(test_kit::token("alice", ""));
        request.header("x-applied", event).send()
    };
    let begun = Instant::now();
    let late = async {
        // While the others wait: one that is there already is answered.
        let known = Uuid::now_v7();
        enter(known).await;
        assert_eq!(get("", &known.to_string()).await.unwrap().status(), 200);
        enter(event).await;
    };
    let text = event.to_string();
    let (lists, basket, alerts, ()) = tokio::join!(
        get("/api/v1/basket/alice/lists", &text),
        get("/api/v1/basket/alice", &text),
        get("/api/v1/basket/alice/alerts", &text),
        late
    );
    assert_eq!([lists, basket, alerts].map(|answer| answer.unwrap().status().as_u16()), [200, 200, 200]);
    assert!(begun.elapsed() < Duration::from_secs(4), "as soon as it is applied: {:?}", begun.elapsed());

    let begun = Instant::now();
    let never = get("", &Uuid::now_v7().to_string()).await.unwrap();
    assert_eq!((never.status().as_u16(), &never.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    assert!((4..=7).contains(&begun.elapsed().as_secs()), "5 s: {:?}", begun.elapsed());
    for bad in ["", "seven", "00000000"] {
        assert_eq!(get("", bad).await.unwrap().status(), 400, "{bad:?}");
    }
    let begun = Instant::now();
    let request = app.request(Method::GET, "/api/v1/basket/alice/lists").header("x-applied", &text);
    assert_eq!(request.send().await.unwrap().status(), 401);
    for (event, status) in [(Uuid::now_v7(), 503), (event, 200)] {
        let public = app.request(Method::GET, "/api/v1/lists").header("x-applied", event.to_string());
        assert_eq!(public.send().await.unwrap().status(), status);
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "a stranger does not wait, and takes no place");
}
