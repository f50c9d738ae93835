//! The forms that accounts answers, where it refuses or does not answer.

use reqwest::Response;
use test_kit::Process;
use test_kit::catalog::response;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, sink};
use tokio::net::TcpListener;

use crate::alone::{NOBODY, form, start_with};

/// The addresses of the forms.
const FORMS: [&str; 3] = ["/register", "/validate", "/sign-in/account"];

/// Starts the pages with accounts that answer everything with these bytes.
async fn start_with_accounts(answer: Vec<u8>) -> Process {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            connection.read_u8().await.unwrap();
            connection.write_all(&answer).await.unwrap();
            // Until the other side has read the answer, and closes.
            drop(copy(&mut connection, &mut sink()).await);
        }
    });
    start_with(&[("APP__SERVICES__ACCOUNTS__URL", &url)])
}

/// Sends a form with the fields of all of them.
async fn send(storefront: &Process, path: &str) -> Response {
    let fields = [
        ("name", "Ann"),
        ("email", "ann@example.org"),
        ("password", "correct horse battery"),
        ("user", "019ab2c5-8f3e-7d41-9c55-0c6a2f6f3b11"),
        ("token", "a-token"),
    ];
    form(storefront, path, &fields).send().await.unwrap()
}

#[tokio::test]
async fn who_tries_too_often_is_told_when_to_try_again() {
    let body = r#"{"title":"too many tries","detail":"try again in 30 seconds"}"#;
    let answer = response("429 Too Many Requests", "retry-after: 30\r\n", body);
    let storefront = start_with_accounts(answer).await;
    for path in FORMS {
        let answer = send(&storefront, path).await;
        assert_eq!(answer.status(), 429, "{path}");
        assert_eq!(answer.headers()["retry-after"], "30", "{path}");
        let page = answer.text().await.unwrap();
        assert!(page.contains("Too many tries. Try again in 30 seconds."), "{path}: {page}");
    }
}

#[tokio::test]
async fn an_outage_of_accounts_is_not_called_a_fault_of_the_form() {
    let storefront = start_with(&[("APP__SERVICES__ACCOUNTS__URL", NOBODY)]);
    for path in FORMS {
        let answer = send(&storefront, path).await;
        assert_eq!(answer.status(), 503, "{path}");
        assert_eq!(answer.headers()["retry-after"], "2", "{path}");
        let page = answer.text().await.unwrap();
        assert!(page.contains("The account service does not answer at the moment."), "{path}: {page}");
    }
}

#[tokio::test]
async fn what_accounts_refuses_is_a_fault_of_the_form() {
    let body = r#"{"title":"the request is not valid","detail":"that cannot be"}"#;
    let storefront = start_with_accounts(response("400 Bad Request", "", body)).await;
    for path in FORMS {
        let answer = send(&storefront, path).await;
        assert_eq!(answer.status(), 422, "{path}");
        assert!(!answer.headers().contains_key("retry-after"), "{path}");
        let page = answer.text().await.unwrap();
        assert!(page.contains("That cannot be."), "{path}: {page}");
    }
}
