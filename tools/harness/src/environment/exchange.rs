//! The exchange for events, taken away and made again.

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};
use shop::generate::broker_definitions;

use super::Environment;

const EXCHANGE: &str = "exchanges/shop/shop.events";

impl Environment {
    /// Deletes the exchange for events. No process of the suite may declare it.
    pub async fn delete_exchange(&self) -> Result<()> {
        self.broker.delete(EXCHANGE).await
    }

    /// Makes the exchange for events anew, as the definitions say or without its alternate exchange. Topic permissions
    /// go with an exchange in RabbitMQ 4.3, so they are given again.
    pub async fn make_exchange(&self, has_alternate: bool) -> Result<()> {
        self.delete_exchange().await?;
        let definitions: Value = serde_json::from_str(&broker_definitions(self.registry()))?;
        let list = |name: &str| definitions[name].as_array().cloned().context("a list of the definitions");
        let exchanges = list("exchanges")?;
        let named = |exchange: &&Value| exchange["name"] == "shop.events";
        let mut exchange = exchanges.iter().find(named).context("the exchange for events")?.clone();
        if !has_alternate {
            exchange["arguments"] = json!({});
        }
        self.broker.manage(Method::PUT, EXCHANGE, &exchange).await?;
        for topic in list("topic_permissions")? {
            let user = topic["user"].as_str().context("a user of the definitions")?;
            self.broker.manage(Method::PUT, &format!("topic-permissions/shop/{user}"), &topic).await?;
        }
        Ok(())
    }
}
