//! Where the broker of an environment is.

use anyhow::Result;
use shop::{
    home::{Port, Ports, Secrets},
    registry::Name,
    servers::Rabbitmq,
};

use crate::{Broker, Node};

/// The broker of so many nodes, with the administrator's rights.
pub(super) fn of(ports: &Ports, secrets: &Secrets, nodes: u8) -> Result<Broker> {
    let admin = secrets.of("broker_admin")?;
    let nodes = (1..=nodes).map(|node| {
        Ok(Node {
            url: Rabbitmq::url(ports.of(Name::Rabbitmq(node))?, "admin", admin),
            management: Rabbitmq::management_url(ports.of(Port::Management(node))?, admin),
        })
    });
    Broker::of_nodes(nodes.collect::<Result<_>>()?)
}
