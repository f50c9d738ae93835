//! A service outside this workspace with the outbox and a relay: `event-bus/examples`.

use std::{path::Path, process::Command, time::Duration};

use suite_tests::{Database, path_of};
use test_kit::Process;

const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_program_of_sixty_lines_and_six_lines_of_configuration_publish_what_happened() {
    let vhost = test_kit::vhost().await;
    let mut recorder = vhost.recorder().await;
    let library = Database::create("library").await;
    let run = |books: &[&str]| {
        let mut program = Command::new(path_of("examples/library"));
        let output = program.env("DATABASE_URL", &library.url).args(books).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run(&["Ulysses", "Emma", "Ulysses"]);

    // The six lines as they are, but for where the servers and the recorder are.
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../event-bus/examples");
    let lines = std::fs::read_to_string(examples.join("library.toml")).unwrap();
    assert_eq!(lines.lines().count(), 6);
    let lines = lines
        .replace("amqp://relay:secret@localhost:5672/town", &vhost.url)
        .replace("town.", "shop.")
        .replace("postgres://library_relay:secret@localhost/library", &library.url);
    let file = std::env::temp_dir().join(format!("library-{}.toml", std::process::id()));
    std::fs::write(&file, lines).unwrap();
    let mut relay = Command::new(path_of("outbox-relay"));
    relay.args(["--config".as_ref(), file.as_os_str(), "run".as_ref()]);
    let secret = ("APP__AUTH__SECRET", "a-secret-that-only-the-library-knows");
    relay.envs([secret, ("APP__HTTP__PORT", "0")]);
    let _relay = Process::start("relay", relay);

    // It goes on publishing what is appended later.
    run(&["Emma"]);
    let mut returned = Vec::new();
    for _ in 0..4 {
        let event = recorder.next(LIMIT).await.json();
        assert_eq!(event["type"], "town.library.book_returned.v1");
        returned
            .push((event["data"]["book"].as_str().unwrap().to_owned(), event["data"]["timesLent"].clone()));
    }
    std::fs::remove_file(&file).unwrap();
    returned.sort_by_key(|(book, _)| book.clone());
    let times = |book: &str| -> Vec<i64> {
        returned.iter().filter(|(other, _)| other == book).map(|(_, times)| times.as_i64().unwrap()).collect()
    };
    assert_eq!((times("Emma"), times("Ulysses")), (vec![1, 2], vec![1, 2]), "each book's in order");
}

/// The guide's JSON, for another virtual host.
fn definitions_of_the_guide(vhost: &str) -> String {
    let guide = include_str!("../../../../docs/own-service.md");
    let (_, rest) = guide.split_once("```json\n").unwrap();
    let (json, _) = rest.split_once("```").unwrap();
    json.replace(r#""vhost": "town""#, &format!(r#""vhost": "{vhost}""#))
}

#[tokio::test]
async fn the_guides_definitions_and_rights_are_enough_for_a_relay() {
    let vhost = test_kit::vhost().await;
    let (_, name) = vhost.url.rsplit_once('/').unwrap();
    let management = std::env::var("RABBITMQ_MANAGEMENT_URL").unwrap();
    let definitions: serde_json::Value = serde_json::from_str(&definitions_of_the_guide(name)).unwrap();
    let imported = reqwest::Client::new().post(format!("{management}/api/definitions")).json(&definitions);
    let answer = imported.send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());

    let user = vhost.user("relay").await;
    vhost.permit(&user, ["^$", r"^town\.(events|unrouted)$", "^$"]).await;
    let topics = serde_json::json!({"exchange": "town.events", "write": r"^town\.", "read": "^$"});
    vhost.put("topic-permissions", &format!("/{}", user.name), &topics).await;
    let library = Database::create("library").await;
    let mut program = Command::new(path_of("examples/library"));
    let output = program.env("DATABASE_URL", &library.url).arg("Ulysses").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut relay = Command::new(path_of("outbox-relay"));
    relay.envs([
        ("APP__AUTH__SECRET", "a-secret-that-only-the-library-knows"),
        ("APP__HTTP__PORT", "0"),
        ("APP__BROKER__URL", user.url.as_str()),
        ("APP__BROKER__EXCHANGE", "town.events"),
        ("APP__BROKER__UNROUTED", "town.unrouted"),
        ("APP__DATABASES__LIBRARY__URL", library.url.as_str()),
    ]);
    let _relay = Process::start("relay", relay);
    let mut unrouted = vhost.drain("town.unrouted").await;
    assert_eq!(unrouted.next(LIMIT).await.json()["type"], "town.library.book_returned.v1");
}
