//! Whether everything is as the relay needs it: tables, rights, partitions and the broker.

use event_bus::{BrokerConfig, relay::Publisher};
use serde::Serialize;

use super::Sources;
use crate::{
    source::Source,
    store::{StoreError, check, within},
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
    let check = |what, problem: Result<Option<String>, StoreError>| {
        let problem = problem.unwrap_or_else(|error| Some(error.to_string()));
        Check { of: source.name.clone(), what, problem }
    };
    let parts = match within("look for the tables", check::missing_parts(&source.pool)).await {
        Ok(parts) => parts,
        Err(error) => return vec![check("connection", Err(error))],
    };
    let tables = (!parts.is_empty()).then(|| {
        let missing = parts.join(", ");
        format!("missing: {missing}; run `outbox-relay migrate` as the database's owner")
    });
    let mut checks = vec![check("connection", Ok(None)), check("tables", Ok(tables))];
    if !parts.is_empty() {
        return checks;
    }
    let rights = within("read the role's rights", check::missing_rights(&source.pool)).await;
    let rights = rights.map(|missing| (!missing.is_empty()).then(|| missing.join("; ")));
    let rows = within("count the rows of the relay's tables", check::missing_rows(&source.pool)).await;
    let rows = rows.map(|missing| {
        let inserts = missing.join("; ");
        (!missing.is_empty()).then(|| format!("emptied by somebody: as the database's owner run {inserts}"))
    });
    let partitions = within("compare partitions with keys", check::misplaced(&source.pool)).await;
    let partitions = partitions.map(|misplaced| match misplaced {
        0 => None,
        count => Some(format!(
            "{count} of the pending events that were looked at are in another partition than their key's: is the trigger \
             integration_event_log_complete enabled?"
        )),
    });
    checks.extend([check("rights", rights), check("rows", rows), check("partitions", partitions)]);
    checks
}
