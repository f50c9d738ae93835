//! `<service> waiting`: the keys that wait in the inbox, for an operator at a shell.

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use event_bus::inbox::operate::{self, WaitingKey, WaitingSelection};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{output, reason};

/// The command line.
pub(super) fn command() -> Command {
    let dry_run = || {
        let help = "Only say how many there are";
        Arg::new("dry-run").long("dry-run").action(ArgAction::SetTrue).help(help)
    };
    let all = || {
        let help = "All keys that wait";
        let narrow = ["key", "type", "source", "event-id"];
        Arg::new("all").long("all").action(ArgAction::SetTrue).conflicts_with_all(narrow).help(help)
    };
    let reason = Arg::new("reason").long("reason").required(true).help("Why; kept in the inbox");
    let by = Arg::new("by").long("by").env("USER").default_value("an operator").help("Who decides");
    let list = Command::new("list")
        .about("List the keys, the blocked ones first, each with the event that failed")
        .arg(Arg::new("blocked").long("blocked").action(ArgAction::SetTrue).help("Only blocked keys"))
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("One JSON object a line"))
        .arg(
            Arg::new("limit")
                .long("limit")
                .value_parser(value_parser!(i64).range(1..))
                .default_value("100")
                .help("How many at most"),
        );
    let about = "Have keys tried again at once, with all their tries before them";
    let requeue = Command::new("requeue").about(about).arg(all()).arg(dry_run());
    let about = "Give up the first event of each key: it never has an effect, and the next one is tried";
    let skip = Command::new("skip").about(about).args([all(), dry_run(), reason, by]);
    Command::new("waiting")
        .about("Keys that wait because an event of theirs failed: list, requeue, skip")
        .subcommand_required(true)
        .subcommands([list, requeue, skip].map(|command| command.args(selecting())))
}

fn selecting() -> [Arg; 4] {
    [
        Arg::new("key").long("key").help("This key"),
        Arg::new("type").long("type").help("Keys whose first event is of this type"),
        Arg::new("source").long("source").help("Keys of this service's events"),
        Arg::new("event-id")
            .long("event-id")
            .value_parser(value_parser!(Uuid))
            .help("The key whose first event is this one"),
    ]
}

/// Does what the command line says, and prints what was done.
pub(super) async fn run(arguments: &ArgMatches, pool: &PgPool, consumer: &str) -> anyhow::Result<()> {
    let Some((name, arguments)) = arguments.subcommand() else { return Ok(()) };
    let text = |name: &str| arguments.get_one::<String>(name).cloned();
    let mut selection = WaitingSelection {
        all: name == "list" || arguments.get_flag("all"),
        source: text("source"),
        key: text("key"),
        event_type: text("type"),
        event_id: arguments.get_one::<Uuid>("event-id").copied(),
        blocked_only: false,
    };
    if name == "list" {
        selection.blocked_only = arguments.get_flag("blocked");
        return list(arguments, pool, consumer, &selection).await;
    }
    anyhow::ensure!(!selection.is_empty(), "name a key, type, source or event, or say --all");
    if arguments.get_flag("dry-run") {
        output::say(&format!("would {name} {}", operate::count(pool, consumer, &selection).await?))?;
        return Ok(());
    }
    let count = if name == "skip" {
        let (by, reason) = (text("by").unwrap_or_default(), text("reason").unwrap_or_default());
        let reason = reason::parse(&reason)?;
        let mut connection = pool.acquire().await?;
        operate::skip(&mut connection, consumer, &selection, &by, reason).await?.len() as u64
    } else {
        operate::requeue(pool, consumer, &selection).await?
    };
    anyhow::ensure!(count > 0 || selection.all, "no such key waits");
    Ok(output::say(&format!("{name}: {count}"))?)
}

async fn list(
    arguments: &ArgMatches,
    pool: &PgPool,
    consumer: &str,
    selection: &WaitingSelection,
) -> anyhow::Result<()> {
    let limit = arguments.get_one::<i64>("limit").copied().unwrap_or(100);
    let keys = operate::list(pool, consumer, selection, 0, limit).await?;
    let count = operate::count(pool, consumer, selection).await?;
    let is_json = arguments.get_flag("json");
    let mut lines = Vec::with_capacity(keys.len() + 1);
    for key in &keys {
        lines.push(if is_json { serde_json::to_string(key)? } else { line(key) });
    }
    if !is_json {
        lines.push(format!("{} of {count}", keys.len()));
    }
    for line in lines {
        output::say(&line)?;
    }
    Ok(())
}

fn line(key: &WaitingKey) -> String {
    let state = match (key.blocked_at, key.next_attempt_at) {
        (Some(since), _) => format!("blocked since {}", since.format("%F %T")),
        (None, Some(next)) => format!("next try {}", next.format("%F %T")),
        (None, None) => "waits".to_owned(),
    };
    let reason = key.reason.as_deref().unwrap_or("-");
    format!(
        "{}  {}  {}  {}  {state}, {} failures, {} behind: {reason}",
        key.source, key.key, key.event_type, key.event_id, key.failures, key.behind
    )
}
