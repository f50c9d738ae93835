//! Statements about ownership.

use std::time::Duration;

use event_bus::{crash_point, relay::PARTITIONS};
use relay_engine::{Config, Lease, Renewed, Take};

use crate::{
    source::Source,
    store::{
        Session, StoreError, generation,
        ownership::{self, Liveness, Rebalanced, Registration},
        within,
    },
};

/// How long ownership lasts without renewal: after this a frozen relay's partitions go to another one.
const LEASE: Duration = Duration::from_secs(4);

/// The engine relies on less of a lease than it lasts, because events take time to reach the broker.
const _: () = assert!(LEASE.as_millis() >= Config::TRUSTED.as_millis() + 500, "a lease lasts longer");

/// The outcome of a statement about ownership.
pub(crate) enum Answer {
    Rebalanced(Rebalanced),
    Renewed(Renewed),
    Released,
}

/// Opens the session that shows other relays that this one is alive.
pub(crate) async fn open(relay: &Registration, source: &Source) -> Result<Session, StoreError> {
    let mut session = source.connect().await?;
    let begun = generation::begin_after_restore(&mut session);
    if let Some(generation) = within("begin the log's next generation after a restore", begun).await? {
        let database = source.name.as_str();
        tracing::warn!(database, generation, "the log was restored: audit it, and restore its subscribers");
    }
    let other = ownership::other_destination(&mut session, relay);
    if let Some(other) = within("see where other relays publish", other).await? {
        return Err(StoreError::OtherDestination(other));
    }
    if relay.liveness == Liveness::Session {
        within("register the relay", ownership::register(&mut session, relay.id)).await?;
    }
    Ok(session)
}

pub(crate) async fn rebalance(
    relay: Registration,
    mut session: Session,
    take: Take,
) -> (Session, Result<Answer, StoreError>) {
    crash_point!("relay.before_ownership");
    let take = if event_bus::without!("release") { Take::Share } else { take };
    let rebalance = ownership::rebalance(&mut session, &relay, LEASE, take);
    let mut rebalanced = within("share the partitions with other relays", rebalance).await;
    if event_bus::without!("ownership")
        && take == Take::Share
        && let Ok(rebalanced) = &mut rebalanced
    {
        rebalanced.leases = (0..PARTITIONS).map(|partition| Lease { partition, epoch: 0 }).collect();
    }
    crash_point!("relay.after_ownership");
    if let Ok(Rebalanced { other_destination: Some(other), .. }) = &rebalanced {
        return (session, Err(StoreError::OtherDestination(other.clone())));
    }
    (session, rebalanced.map(Answer::Rebalanced))
}

pub(crate) async fn renew(
    relay: Registration,
    mut session: Session,
) -> (Session, Result<Answer, StoreError>) {
    crash_point!("relay.while_renewing");
    let mut renewed = within("renew ownership", ownership::renew(&mut session, &relay, LEASE)).await;
    if event_bus::without!("ownership") && renewed.is_ok() {
        renewed = Ok(Renewed { owned: usize::from(PARTITIONS.unsigned_abs()), is_unbalanced: false });
    }
    (session, renewed.map(Answer::Renewed))
}

pub(crate) async fn release(
    relay: Registration,
    mut session: Session,
) -> (Session, Result<Answer, StoreError>) {
    crash_point!("relay.while_resigning");
    let released = within("release partitions", ownership::release(&mut session, relay.id)).await;
    (session, released.map(|()| Answer::Released))
}
