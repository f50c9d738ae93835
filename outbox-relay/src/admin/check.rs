//! Whether everything is as the relay needs it: tables, rights, partitions and the broker.

use event_bus::{BrokerConfig, relay::Publisher};
use serde::Serialize;

use super::Sources;
use crate::{
    source::Source,
    store::{check, within},
};

/// One thing that was checked.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    /// The database's name in the relay's settings, or `broker`.
    pub(crate) of: String,
    /// What was checked.
    pub(crate) what: &'static str,
    /// What is wrong, and what to do; absent where it is right.
    pub(crate) problem: Option<String>,
}

/// Checks all databases and the broker.
pub(crate) async fn check(sources: &Sources, broker: &BrokerConfig) -> Vec<Check> {
    let mut checks = Vec::new();
    for source in sources {
        checks.extend(of_database(source).await);
    }
    let problem = match Publisher::connect(broker, "outbox-relay check").await {
        Ok(publisher) => {
            publisher.close().await;
            None
        }
        Err(error) => Some(format!("{:#}", anyhow::Error::new(error))),
    };
    checks.push(Check { of: "broker".to_owned(), what: "connection and exchange", problem });
    checks
}

async fn of_database(source: &Source) -> Vec<Check> {
    let check = |what, problem| Check { of: source.name.clone(), what, problem };
    let parts = match within("look for the tables", check::missing_parts(&source.pool)).await {
        Ok(parts) => parts,
        Err(error) => return vec![check("connection", Some(error.to_string()))],
    };
    let mut checks = vec![check("connection", None)];
    if !parts.is_empty() {
        let missing = parts.join(", ");
        let problem = format!("missing: {missing}; run `outbox-relay migrate` as the database's owner");
        checks.push(check("tables", Some(problem)));
        return checks;
    }
    checks.push(check("tables", None));
    let rights = within("read the role's rights", check::missing_rights(&source.pool)).await;
    checks.push(check(
        "rights",
        match rights {
            Ok(missing) if missing.is_empty() => None,
            Ok(missing) => Some(missing.join("; ")),
            Err(error) => Some(error.to_string()),
        },
    ));
    let missing = within("count the rows of the relay's tables", check::missing_rows(&source.pool)).await;
    checks.push(check(
        "rows",
        match missing {
            Ok(missing) if missing.is_empty() => None,
            Ok(missing) => {
                Some(format!("emptied by somebody: as the database's owner run {}", missing.join("; ")))
            }
            Err(error) => Some(error.to_string()),
        },
    ));
    let misplaced = within("compare partitions with keys", check::misplaced(&source.pool)).await;
    checks.push(check(
        "partitions",
        match misplaced {
            Ok(0) => None,
            Ok(count) => Some(format!(
                "{count} of the pending events that were looked at are in another partition than their key's: is the trigger \
                 integration_event_log_complete enabled?"
            )),
            Err(error) => Some(error.to_string()),
        },
    ));
    checks
}
