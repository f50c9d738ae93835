//! Finding products.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::migrate::Migrator;

use crate::app::{App, details, details_with, header, problem};

fn ids(page: &Value) -> Vec<i64> {
    page["data"].as_array().expect("a list").iter().map(|item| item["id"].as_i64().expect("an id")).collect()
}

/// Adds products with these names, of alternating types and brands; their ids begin at 1.
async fn products(app: &App, names: &[&str]) {
    for (name, number) in names.iter().zip(0..) {
        let mut body = details_with("name", json!(name));
        body["typeId"] = json!(1 + number % 2);
        body["brandId"] = json!(1 + number / 2 % 2);
        assert_eq!(app.post(&body).await.status(), 201);
    }
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_product_is_found_by_its_id(pool: PgPool) {
    let app = App::spawn(pool).await;
    let id = app.product_priced_at("12.50").await;
    let answer = app.get(&format!("/items/{id}")).await;
    assert_eq!(header(&answer, "etag"), "\"1\"");
    let mut wanted = details();
    let item: Value = answer.json().await.expect("JSON");
    for (name, value) in [
        ("id", json!(id)),
        ("currency", json!("EUR")),
        ("pictureUrl", json!(format!("/api/v1/catalog/items/{id}/pic"))),
        ("version", json!(1)),
        ("reserved", json!(0)),
    ] {
        wanted[name] = value;
    }
    assert_eq!(item, wanted);
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_client_that_has_the_version_gets_304(pool: PgPool) {
    let app = App::spawn(pool).await;
    let id = app.product_priced_at("12.50").await;
    let get = async |tag: &str| {
        let request = app.request(Method::GET, &format!("/items/{id}")).header("if-none-match", tag);
        request.send().await.expect("an answer")
    };
    for tag in ["\"1\"", "W/\"1\"", "\"0\", \"1\"", "*"] {
        let answer = get(tag).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "etag").as_str()), (304, "\"1\""), "{tag}");
    }
    app.put_price(id, "13.00").await;
    assert_eq!(get("\"1\"").await.status(), 200);
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn pages_follow_each_other_by_id_and_count_everything(pool: PgPool) {
    let app = App::spawn(pool).await;
    products(&app, &["e", "d", "c", "b", "a"]).await;
    for (query, wanted) in [
        ("", vec![1, 2, 3, 4, 5]),
        ("?pageSize=2", vec![1, 2]),
        ("?pageSize=2&pageIndex=1", vec![3, 4]),
        ("?pageSize=2&pageIndex=2", vec![5]),
        ("?pageSize=2&pageIndex=3", vec![]),
        ("?pageIndex=4294967295&pageSize=100", vec![]),
    ] {
        let page = app.get_json(&format!("/items{query}")).await;
        assert_eq!((ids(&page), page["count"].as_i64()), (wanted, Some(5)), "{query}");
    }
    let page = app.get_json("/items?pageSize=2&pageIndex=1").await;
    assert_eq!((&page["pageIndex"], &page["pageSize"]), (&json!(1), &json!(2)));
    let page = app.get_json("/items").await;
    assert_eq!((&page["pageIndex"], &page["pageSize"]), (&json!(0), &json!(10)));
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn filters_combine_and_empty_ones_do_nothing(pool: PgPool) {
    let app = App::spawn(pool).await;
    // Types 1 2 1 2, brands 1 1 2 2.
    products(&app, &["Tarn 1", "tarn 2", "Beck", "TARN"]).await;
    for (query, wanted) in [
        ("name=tarn", vec![1, 2, 4]),
        ("name=TaRn%20", vec![1, 2]),
        ("name=arn", vec![]),
        ("typeId=2", vec![2, 4]),
        ("brandId=1", vec![1, 2]),
        ("typeId=2&brandId=1", vec![2]),
        ("ids=4,1,1,99", vec![1, 4]),
        ("name=tarn&typeId=1&brandId=1&ids=1,2,3", vec![1]),
        ("typeId=77", vec![]),
        ("pageIndex=0&pageSize=10&name=&typeId=&brandId=&ids=", vec![1, 2, 3, 4]),
        ("pageIndex=&pageSize=", vec![1, 2, 3, 4]),
    ] {
        let page = app.get_json(&format!("/items?{query}")).await;
        let count = i64::try_from(wanted.len()).expect("few");
        assert_eq!((ids(&page), page["count"].as_i64()), (wanted, Some(count)), "{query}");
    }
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_prefix_means_its_characters_and_nothing_else(pool: PgPool) {
    let app = App::spawn(pool).await;
    products(
        &app,
        &["100% wool", "100 percent", "a_b", "axb", "back\\slash", "Überzelt", "'; drop table product"],
    )
    .await;
    for (prefix, wanted) in [
        ("100%25", vec![1]),
        ("%25", vec![]),
        ("a_", vec![3]),
        ("back%5C", vec![5]),
        ("%C3%9Cber", vec![6]),
        ("'%3B%20drop", vec![7]),
        ("%F4%8F%BF%BF", vec![]),
    ] {
        let page = app.get_json(&format!("/items?name={prefix}")).await;
        assert_eq!(ids(&page), wanted, "{prefix}");
    }
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_name_is_found_by_whichever_form_of_its_letters_is_typed(pool: PgPool) {
    let app = App::spawn(pool).await;
    products(&app, &["Caf\u{e9} table", "Cafe\u{301} chair", "Cafe bench"]).await;
    for (prefix, wanted) in [("Caf%C3%A9", vec![1, 2]), ("Cafe%CC%81", vec![1, 2]), ("cafe", vec![3])] {
        let page = app.get_json(&format!("/items?name={prefix}")).await;
        assert_eq!(ids(&page), wanted, "{prefix}");
    }
    assert_eq!(app.get_json("/items/2").await["name"], "Caf\u{e9} chair");
}

#[sqlx::test(migrations = false)]
async fn names_from_before_are_brought_into_the_same_form(pool: PgPool) {
    let migrations = &catalog_api::MIGRATIONS;
    let last = migrations.iter().position(|migration| migration.description.contains("normalize"));
    let before = Migrator {
        migrations: migrations.migrations[..last.expect("the migration")].to_vec().into(),
        ..Migrator::DEFAULT
    };
    before.run(&pool).await.expect("migrated");
    sqlx::raw_sql(
        r"insert into product_type values (1, U&'Cafe\0301s'); insert into product_brand values (1, 'Larkfell');
          insert into product (name, price, product_type_id, product_brand_id) values (U&'Cafe\0301', 1, 1, 1)",
    )
    .execute(&pool)
    .await
    .expect("a product");
    migrations.run(&pool).await.expect("migrated");
    let app = App::on(pool);
    assert_eq!(ids(&app.get_json("/items?name=Caf%C3%A9").await), [1]);
    assert_eq!(app.get_json("/catalogtypes").await[0]["name"], "Caf\u{e9}s");
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_prefix_is_looked_up_in_an_index(pool: PgPool) {
    sqlx::raw_sql(
        "insert into product_type values (1, 'Tents'); insert into product_brand values (1, 'Larkfell');
         insert into product (name, price, product_type_id, product_brand_id)
         select md5(n::text), 1, 1, 1 from generate_series(1, 5000) as n;
         analyze product; set plan_cache_mode = force_generic_plan;",
    )
    .execute(&pool)
    .await
    .expect("many products");
    let plan: Vec<String> = sqlx::query_scalar(
        "explain select count(*) from product where lower(name) ~>=~ lower('Abc')
            and lower(name) ~<~ (lower('Abc') || chr(1114111))",
    )
    .fetch_all(&pool)
    .await
    .expect("a plan");
    assert!(plan.join("\n").contains("product_name_prefix"), "{plan:#?}");
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn types_and_brands_are_listed(pool: PgPool) {
    let app = App::spawn(pool).await;
    assert_eq!(
        app.get_json("/catalogtypes").await,
        json!([{"id": 1, "name": "Tents"}, {"id": 2, "name": "Lamps"}])
    );
    assert_eq!(
        app.get_json("/catalogbrands").await,
        json!([{"id": 1, "name": "Larkfell"}, {"id": 2, "name": "Moor & <hen>"}])
    );
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn what_is_not_there_is_404(pool: PgPool) {
    let app = App::spawn(pool).await;
    for path in ["/items/1", "/items/9223372036854775807", "/items/1/pic"] {
        problem(app.get(path).await, 404, "not-found").await;
    }
}
