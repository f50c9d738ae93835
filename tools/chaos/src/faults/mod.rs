//! Everything that is broken on purpose, one function a fault.

/// Declares faults: the group, the name, how many relays and baskets run, whether buyers place `orders`, `users` register,
/// or `both`, meanwhile, what happens, and the function that does it, with its arguments.
macro_rules! faults {
    ($($group:ident: $name:literal [$relays:literal, $baskets:literal $(, $meanwhile:ident)?] $about:literal
        => $inject:ident $(($($argument:expr),* $(,)?))?;)*) => {
        &[$($crate::faults::Fault {
            name: $name,
            group: stringify!($group),
            about: $about,
            relays: $relays,
            baskets: $baskets,
            has_orders: is!(orders $($meanwhile)?),
            has_users: is!(users $($meanwhile)?),
            inject: |target| Box::pin($inject(target $($(, $argument)*)?)),
        }),*]
    };
}

/// Whether the second word is the first, or `both`.
macro_rules! is {
    (orders orders) => {
        true
    };
    (users users) => {
        true
    };
    ($first:ident both) => {
        true
    };
    ($first:ident $($second:ident)?) => {
        false
    };
}

mod broker;
mod calls;
mod clock;
mod cluster;
mod consumer;
mod disk;
mod flood;
mod isolation;
mod locked;
mod messages;
mod network;
mod order_points;
mod orders;
mod points;
mod postgres;
mod process;
mod relay;
mod restored;
mod scheduled;
mod slow_disk;
mod unreadable;
mod upgrade;
mod users;
mod waiting;

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

pub(crate) use self::{
    broker::{FULL, bind_full_queue},
    flood::{flood_of, write},
    isolation::{refuse, refuse_nothing},
    messages::storm_of,
    orders::many_orders_of,
    upgrade::FAULTS as UPGRADE,
};

use anyhow::{Context, Result};
use futures_util::future::LocalBoxFuture;
use shop::{
    servers::install_for_chaos,
    terminal::{Interrupt, Progress, complain},
};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::{
    check::{Expected, Recorder},
    workload::{PRODUCTS, Workload, change_price, order},
};
use harness::{Environment, until};

/// Something that is broken, and what has to run for it.
#[derive(Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) group: &'static str,
    pub(crate) about: &'static str,
    pub(crate) relays: u8,
    pub(crate) baskets: u8,
    /// Whether buyers place orders meanwhile, and everything runs that these need.
    pub(crate) has_orders: bool,
    /// Whether people register meanwhile, and everything runs that this needs.
    pub(crate) has_users: bool,
    pub(crate) inject: Inject,
}

impl Fault {
    /// Whether it is about a broker of several nodes.
    pub(crate) fn needs_cluster(&self) -> bool {
        self.group == cluster::GROUP
    }

    /// Whether buyers order by themselves: not where every call is counted.
    pub(crate) fn has_shoppers(&self) -> bool {
        self.has_orders && self.group != calls::GROUP
    }
}

/// Breaks something, and mends it again.
pub(crate) type Inject = for<'a, 'b> fn(&'a mut Target<'b>) -> LocalBoxFuture<'a, Result<Injection>>;

/// What a fault has to work with.
pub(crate) struct Target<'a> {
    pub(crate) environment: &'a mut Environment,
    pub(crate) workload: &'a Workload,
    pub(crate) recorder: &'a Recorder,
    pub(crate) rng: &'a mut fastrand::Rng,
    /// The most memory that a relay or a basket was seen to have, in bytes.
    pub(crate) heaviest: &'a mut u64,
}

/// What a fault has done.
pub(crate) struct Injection {
    /// How often it was seen to happen.
    pub(crate) seen: u64,
    /// When everything was mended.
    pub(crate) healed: Instant,
    /// What it is meant to leave behind.
    pub(crate) expected: Expected,
    /// Whether an operator has to replay what was published meanwhile: it was deleted.
    pub(crate) is_replayed: bool,
}

/// What a fault that leaves nothing special behind has done.
pub(crate) fn injection(seen: u64, healed: Instant) -> Injection {
    Injection { seen, healed, expected: Expected::default(), is_replayed: false }
}

impl Target<'_> {
    /// Leaves things as they are for a while.
    pub(crate) async fn hold(&mut self, seconds: std::ops::RangeInclusive<f64>) {
        let span = seconds.end() - seconds.start();
        sleep(Duration::from_secs_f64(seconds.start() + span * self.rng.f64())).await;
    }

    /// Changes a price, for certain: the catalog itself may be the one that fails. Returns the event's id.
    pub(crate) async fn change(&mut self, product: i64, limit: Duration) -> Result<Uuid> {
        let mut cents = self.rng.u64(100_000..200_000);
        let environment = &*self.environment;
        let change = async || {
            cents += 1;
            Ok(change_price(environment, product, cents).await.ok())
        };
        until(limit, Duration::from_millis(50), change).await?.context("no price change succeeds")
    }

    /// Changes a price of one of these products, and waits until its event is in the basket's inbox.
    pub(crate) async fn one_of_arrives(
        &mut self,
        products: std::ops::RangeInclusive<i64>,
        limit: Duration,
    ) -> Result<()> {
        let product = self.rng.i64(products);
        let id = self.change(product, limit).await?;
        let basket = &self.environment.basket;
        let arrived = async || {
            let known = "select exists (select from inbox where event_id = $1)";
            Ok(sqlx::query_scalar::<_, bool>(known).bind(id).fetch_one(basket).await?.then_some(()))
        };
        let arrived = until(limit, Duration::from_millis(5), arrived).await?;
        arrived.with_context(|| format!("a price change does not arrive within {limit:?}"))
    }

    /// The same with any product.
    pub(crate) async fn one_arrives(&mut self, limit: Duration) -> Result<()> {
        self.one_of_arrives(1..=PRODUCTS, limit).await
    }

    /// Places an order, and waits until it is over.
    pub(crate) async fn one_is_ordered(&mut self, limit: Duration) -> Result<()> {
        let key = format!("chaos-caller-{:x}", self.rng.u64(..));
        let environment = &*self.environment;
        let placed =
            until(limit, Duration::from_millis(50), async || Ok(order(environment, &key).await.ok()));
        let id = placed.await?.context("no order can be placed")?;
        let status = "select status from customer_order where order_id = $1";
        let mut last = String::new();
        let is_over = async || {
            last = sqlx::query_scalar(status).bind(id).fetch_one(&environment.ordering).await?;
            Ok(["paid", "shipped", "cancelled"].contains(&&*last).then_some(()))
        };
        let is_over = until(limit, Duration::from_millis(5), is_over).await?;
        is_over.with_context(|| format!("an order is still {last} after {limit:?}"))
    }

    /// Waits until a query of the catalog's database answers with this number.
    pub(crate) async fn until_catalog_says(
        &self,
        query: &'static str,
        wanted: i64,
        limit: Duration,
    ) -> Result<()> {
        let mut last = 0;
        let there = async || {
            last = sqlx::query_scalar(query).fetch_one(&self.environment.catalog).await?;
            Ok((last == wanted).then_some(()))
        };
        let there = until(limit, Duration::from_millis(20), there).await?;
        there.with_context(|| format!("{last} instead of {wanted} after {limit:?}: {query}"))
    }
}

/// Whether this machine has a program that a fault needs; installs Debian's package of that name where it is
/// missing and this is allowed. Without it the run is void.
fn tool(name: &str, interrupt: &Interrupt) -> bool {
    // One at a time: Debian's package manager does not run twice.
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _alone = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let installed = tokio::task::block_in_place(|| install_for_chaos(name, &Progress::new(), interrupt));
    if let Err(error) = &installed {
        complain(format!("    ! this fault needs Debian's package {name}: {error:#}"));
    }
    installed.is_ok()
}

/// The fault of this name.
pub(crate) fn named(name: &str) -> Result<Fault> {
    all().into_iter().find(|fault| fault.name == name).with_context(|| format!("there is no fault {name}"))
}

/// All faults, in the order in which `all` runs them.
pub(crate) fn all() -> Vec<Fault> {
    [
        // What takes longest comes first, so that parallel environments end at about the same time.
        calls::FAULTS,
        order_points::FAULTS,
        points::FAULTS,
        orders::FAULTS,
        users::FAULTS,
        flood::FAULTS,
        consumer::FAULTS,
        locked::FAULTS,
        waiting::FAULTS,
        restored::FAULTS,
        scheduled::FAULTS,
        messages::FAULTS,
        unreadable::FAULTS,
        relay::FAULTS,
        isolation::FAULTS,
        network::FAULTS,
        postgres::FAULTS,
        broker::FAULTS,
        clock::FAULTS,
        slow_disk::FAULTS,
        cluster::FAULTS,
    ]
    .into_iter()
    .flatten()
    .copied()
    .collect()
}
