//! The mailbox as a mail client and a test see it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::time::Duration;

use serde_json::{Value, json};
use test_kit::Running;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// A mailbox.
struct Mailbox {
    url: String,
    smtp: String,
    _running: Running,
}

impl Mailbox {
    async fn start() -> Self {
        let running = Running::start(mailbox::app, &[("APP__SMTP__PORT", "0")]);
        let url = running.url();
        let status: Value = reqwest::get(format!("{url}/api/status")).await.unwrap().json().await.unwrap();
        Self { url, smtp: status["smtp"].as_str().unwrap().to_owned(), _running: running }
    }

    async fn mails(&self, query: &str) -> Vec<Value> {
        let body = reqwest::get(format!("{}/api/messages{query}", self.url)).await.unwrap();
        let body: Value = body.json().await.unwrap();
        body["messages"].as_array().unwrap().clone()
    }

    async fn fault(&self, fault: Value) -> u16 {
        let request = reqwest::Client::new().put(format!("{}/api/fault", self.url)).json(&fault);
        request.send().await.unwrap().status().as_u16()
    }

    /// Sends these lines, and returns the last line that is answered to each; where the connection ends, no more.
    async fn say(&self, lines: &[&str]) -> Vec<String> {
        let mut stream = BufReader::new(TcpStream::connect(&self.smtp).await.unwrap());
        let mut answers = Vec::new();
        for line in [&[""], lines].concat() {
            if !line.is_empty() && stream.write_all(format!("{line}\r\n").as_bytes()).await.is_err() {
                break;
            }
            let mut answer = String::new();
            while answer.get(3..4).is_none_or(|mark| mark != " ") {
                answer.clear();
                if stream.read_line(&mut answer).await.unwrap_or_default() == 0 {
                    return answers;
                }
            }
            answers.push(answer.trim_end().to_owned());
        }
        answers
    }
}

const MAIL: &str = "Message-ID: <one@shop>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= <b>\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\nHello\r\n..dot\r\n\
    --x\r\nContent-Type: text/html\r\n\r\n<p>Hello</p><script>1</script>\r\n--x--\r\n.";

fn sending(to: &str) -> Vec<String> {
    ["EHLO here", "MAIL FROM:<shop@shop.example>", &format!("RCPT TO:<{to}>"), "DATA", MAIL]
        .map(str::to_owned)
        .to_vec()
}

fn strs(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn a_mail_is_kept_with_its_parts_and_shown_escaped() {
    let mailbox = Mailbox::start().await;
    let answers = mailbox.say(&strs(&sending("Ann@buyers.example"))).await;
    assert_eq!(answers.last().unwrap(), "250 kept", "{answers:?}");
    mailbox.say(&strs(&sending("bob@buyers.example"))).await;

    assert_eq!(mailbox.mails("").await[0]["to"], json!(["bob@buyers.example"]), "newest first");
    let mails = mailbox.mails("?to=ann@buyers.example").await;
    let [mail] = &mails[..] else { panic!("{mails:?}") };
    assert_eq!(mail["messageId"], "one@shop");
    assert_eq!(mail["from"], "shop@shop.example");
    assert_eq!(mail["subject"], "Grüße <b>");
    assert_eq!(mail["text"].as_str().unwrap().trim_end(), "Hello\r\n.dot");
    assert_eq!(mail["html"].as_str().unwrap().trim_end(), "<p>Hello</p><script>1</script>");
    assert!(mail["receivedAt"].is_string());

    for page in ["/", "/messages/1"] {
        let page = reqwest::get(format!("{}{page}", mailbox.url)).await.unwrap().text().await.unwrap();
        assert!(page.contains("Grüße") && !page.contains("<b>") && !page.contains("<script>"), "{page}");
    }
    let client = reqwest::Client::new();
    assert_eq!(client.delete(format!("{}/api/messages", mailbox.url)).send().await.unwrap().status(), 204);
    assert!(mailbox.mails("").await.is_empty());
}

#[tokio::test]
async fn faults_happen_as_often_as_they_were_asked_for() {
    let mailbox = Mailbox::start().await;
    let lines = sending("ann@buyers.example");
    let lines = strs(&lines);

    assert_eq!(mailbox.fault(json!({"fault": "refuse", "code": 550, "times": 1})).await, 204);
    let answers = mailbox.say(&lines[..3]).await;
    assert!(answers.last().unwrap().starts_with("550 "), "{answers:?}");
    assert_eq!(mailbox.say(&lines).await.last().unwrap(), "250 kept", "once is over");

    assert_eq!(mailbox.fault(json!({"fault": "die", "times": 1})).await, 204);
    assert!(mailbox.say(&lines).await.last().unwrap().starts_with("354 "), "no answer");
    assert_eq!(mailbox.mails("").await.len(), 2, "it is kept all the same");

    assert_eq!(mailbox.fault(json!({"fault": "away"})).await, 204);
    assert!(mailbox.say(&lines).await.is_empty(), "no greeting");

    assert_eq!(mailbox.fault(json!({"fault": "hang", "times": 1})).await, 204);
    let (answers, ()) = tokio::join!(mailbox.say(&lines), async {
        test_kit::eventually("it hangs", Duration::from_secs(10), async || {
            let status = reqwest::get(format!("{}/api/status", mailbox.url)).await.unwrap();
            let status: Value = status.json().await.unwrap();
            (status["fault"]["fault"] == "none").then_some(())
        })
        .await;
        mailbox.fault(json!({})).await;
    });
    assert!(answers.last().unwrap().starts_with("354 "), "no answer: {answers:?}");
    assert_eq!(mailbox.mails("").await.len(), 2, "it is not kept");

    for bad in [json!({"fault": "sleep"}), json!({"fault": "refuse", "code": 250}), json!({"colour": 1})] {
        assert_eq!(mailbox.fault(bad.clone()).await, 400, "{bad}");
    }
}

#[tokio::test]
async fn what_is_no_mail_or_too_much_of_one_is_refused() {
    let mailbox = Mailbox::start().await;
    let answers = mailbox
        .say(&[
            "DATA",
            "RCPT TO:<a@b>",
            "MAIL FROM:a@b",
            "FROB",
            "MAIL FROM:<a@b>",
            "RCPT TO:<>",
            "NOOP",
            "QUIT",
        ])
        .await;
    let codes: Vec<&str> = answers.iter().map(|answer| &answer[..3]).collect();
    assert_eq!(codes, ["220", "503", "503", "501", "502", "250", "501", "250", "221"]);

    let large = format!("Subject: large\r\n\r\n{}.", "0123456789\r\n".repeat(30_000));
    let mut lines = sending("ann@buyers.example");
    *lines.last_mut().unwrap() = large;
    assert!(mailbox.say(&strs(&lines)).await.last().unwrap().starts_with("552 "));
    let long = "x".repeat(5_000);
    assert_eq!(mailbox.say(&[&long, "NOOP"]).await.len(), 1, "the greeting");
    let answer = reqwest::get(format!("{}/api/messages?limit=0", mailbox.url)).await.unwrap();
    assert_eq!(answer.status(), 400);
    assert!(mailbox.mails("").await.is_empty());
}
