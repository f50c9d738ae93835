//! A catalog for a service to ask: speaks HTTP, and answers as the test tells it to.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What the catalog does when it is asked for a product.
#[derive(Clone)]
pub enum Answer {
    /// 200 with this item.
    Item(Value),
    /// Any bytes.
    Raw(Vec<u8>),
    /// Nothing, for ever.
    Silence,
}

/// The catalog. Answers 404 for products that it was not told of.
#[derive(Clone)]
pub struct TestCatalog {
    /// Where it listens.
    pub url: String,
    script: Arc<Mutex<Script>>,
}

#[derive(Default)]
struct Script {
    answers: HashMap<i64, Answer>,
    requests: Vec<String>,
}

impl TestCatalog {
    /// Starts one.
    ///
    /// # Panics
    /// Without a free port.
    pub async fn spawn() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let catalog = Self { url, script: Arc::default() };
        let script = Arc::clone(&catalog.script);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, Arc::clone(&script)));
            }
        });
        catalog
    }

    /// Answers so from now on, when it is asked for this product.
    ///
    /// # Panics
    /// After another panic.
    pub fn answer(&self, product: i64, answer: Answer) {
        self.script.lock().unwrap().answers.insert(product, answer);
    }

    /// What was asked so far: each request's line and headers.
    ///
    /// # Panics
    /// After another panic.
    pub fn requests(&self) -> Vec<String> {
        self.script.lock().unwrap().requests.clone()
    }
}

/// The catalog's item, with fields that nobody reads.
pub fn item(product: i64, price: &str, version: i64) -> Value {
    json!({
        "id": product, "name": format!("Product {product}"), "description": "…", "price": price,
        "currency": "EUR", "typeId": 1, "brandId": 2, "availableStock": 7, "restockThreshold": 1,
        "maxStockThreshold": 9, "pictureUrl": format!("/api/v1/catalog/items/{product}/pic"), "version": version,
    })
}

async fn serve(mut connection: TcpStream, script: Arc<Mutex<Script>>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match connection.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let request = String::from_utf8(request).unwrap();
    let product: i64 =
        request.split_whitespace().nth(1).and_then(|path| path.rsplit('/').next()?.parse().ok()).unwrap();
    let answer = {
        let mut script = script.lock().unwrap();
        script.requests.push(request);
        script.answers.get(&product).cloned()
    };
    let bytes = match answer {
        Some(Answer::Item(item)) => response("200 OK", "", &item.to_string()),
        Some(Answer::Raw(bytes)) => bytes,
        Some(Answer::Silence) => return std::future::pending().await,
        None => response("404 Not Found", "", "{}"),
    };
    drop(connection.write_all(&bytes).await);
}

/// An HTTP answer, after which the connection is closed.
pub fn response(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
        .into_bytes()
}
