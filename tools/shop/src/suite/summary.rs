//! What `up` says at its end.

use std::fmt::Write;

use anyhow::Result;

use super::Suite;
use crate::home::{Port, checkout};
use crate::registry::Name;
use crate::terminal::table;
use crate::token;

/// Where everything is, a token, and three things to try that work as pasted.
pub fn addresses(suite: &Suite) -> Result<String> {
    let mut rows = Vec::new();
    for name in suite.registry.programs(suite.plan.counts) {
        let url = suite.url(name)?;
        let note = match name {
            Name::Service(_) | Name::Further(..) => format!("{url}/docs"),
            Name::Storefront => "in a browser".to_owned(),
            _ => String::new(),
        };
        rows.push(vec![format!("  {name}"), url, note]);
    }
    rows.push(vec!["  postgres".to_owned(), format!("127.0.0.1:{}", suite.ports.of(Name::Postgres)?)]);
    for node in 1..=suite.plan.counts.brokers {
        let name = Name::Rabbitmq(node);
        let (amqp, management) = (suite.ports.of(name)?, suite.url(Port::Management(node))?);
        rows.push(vec![
            format!("  {name}"),
            format!("127.0.0.1:{amqp}"),
            format!("{management} (user admin)"),
        ]);
    }

    let shop = suite.url(Name::Storefront)?;
    let mut text = format!("\nThe shop is up.\n\n{}\n", table(&rows));
    let pages = [["  the shop", &format!("{shop}/")], ["  the control room", &format!("{shop}/ops")]];
    let pages: Vec<Vec<String>> = pages.iter().map(|row| row.map(str::to_owned).to_vec()).collect();
    writeln!(text, "In a browser; sign in by any name, with the roles you like:\n\n{}", table(&pages))?;
    writeln!(
        text,
        "A token for buyer alice, good for a day (more by: cargo shop token bob):\n\n  {}\n",
        token::buyer()?
    )?;
    text.push_str(
        "Three things to try, in this order. Addresses, tokens and passwords are in .shop/env:\n\n",
    );
    let env = suite.home.dir().join("env");
    let env = match std::env::current_dir() {
        Ok(here) if here == checkout() => ".shop/env".to_owned(),
        _ => env.display().to_string(),
    };
    write!(
        text,
        r#"  . {env}

  # put two of product 1 into alice's cart
  curl -s -X PUT $BASKET_URL/api/v1/basket/alice/items/1 -H "Authorization: Bearer $BUYER_TOKEN" -H "Content-Type: application/json" -d '{{"quantity":2}}'

  # change its price
  curl -s -X PUT $CATALOG_URL/api/v1/catalog/items/1/price -H "Authorization: Bearer $OPS_TOKEN" -H "Content-Type: application/json" -d '{{"price":"12.50"}}'

  # see the alert that arrived in alice's cart, a moment later
  sleep 1; curl -s $BASKET_URL/api/v1/basket/alice/alerts -H "Authorization: Bearer $BUYER_TOKEN"

"#
    )?;
    text.push_str("Then: cargo shop demo, cargo shop status, cargo shop kill relay, cargo shop start relay");
    Ok(text)
}
