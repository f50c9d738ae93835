//! One fault, from a healthy suite to a verdict.

mod broken;
mod outcome;
mod rest;
mod scoreboard;
mod soak;
mod timeline;

use std::{
    collections::HashSet,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use shop::terminal::complain;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

pub(crate) use self::{
    broken::Broken,
    outcome::{ENOUGH_ORDERS, ENOUGH_USERS, Outcome, Verdict, totals},
    rest::pending,
    scoreboard::{Row, scoreboard},
    soak::{soak, strike_relays},
    timeline::{Point, Timeline},
};
use crate::{
    check::{
        Expected, Footprint, Mark, Observations, OrderMark, Recorder, UserMark, check, check_orders,
        check_users,
    },
    faults::{Fault, Target},
    workload::{Workload, fill_idle_carts},
};
use harness::{Environment, Name, until};

/// Operations that must have been done before something is broken, and after it was mended.
const WARM: u64 = 25;
const AFTERWARDS: u64 = 25;

/// How long a suite that is well may take for that.
const LIMIT: Duration = Duration::from_secs(30);

/// How long everything that was committed may take to arrive, once nothing is broken any more.
const RESTING: Duration = Duration::from_mins(1);

/// How much longer orders may take: what has piled up goes through several services, one after the other.
const ORDERS: u32 = 3;

/// How long resources may take to come back: the broker's own figures are up to five seconds old.
const TIDYING: Duration = Duration::from_secs(15);

/// Runs faults one after the other in one environment.
pub(crate) struct Runner {
    pub(crate) environment: Environment,
    pub(crate) recorder: Recorder,
    /// The schedule of the fault that is run.
    pub(crate) rng: fastrand::Rng,
    /// The most memory that a relay or a basket was seen to have, in bytes.
    pub(crate) heaviest: u64,
    seed: u64,
    /// How long everything that was committed may take to arrive, once nothing is broken any more.
    limit: Duration,
    /// Events of the harness's own: one that is late may arrive in the next run.
    forged: HashSet<Uuid>,
}

impl Runner {
    /// Brings the environment up, and waits until the first products have reached the basket.
    pub(crate) async fn open(mut environment: Environment, seed: u64) -> Result<Self> {
        environment.settings = order_settings();
        let recorder = Recorder::start(&environment).await?;
        let (rng, forged) = (fastrand::Rng::new(), HashSet::new());
        let mut runner = Self { environment, recorder, rng, heaviest: 0, seed, limit: RESTING, forged };
        // Also the services of orders: their queues have to be there before the first event is published.
        runner.environment.run_only(&wanted(1, 1, true, false)).await?;
        fill_idle_carts(&runner.environment).await?;
        if let Some(left) = rest::at_rest(&runner.environment, 0, &HashSet::new(), RESTING).await? {
            anyhow::bail!("the suite does not come to rest before anything was broken: {left}");
        }
        Ok(runner)
    }

    /// A runner with a new environment.
    pub(crate) async fn anew(&self) -> Result<Self> {
        let other = Self::open(self.environment.another().await?, self.seed).await?;
        Ok(Self { heaviest: self.heaviest, ..other })
    }

    /// Runs the catalog and exactly this many relays and baskets, with nothing in their way.
    pub(crate) async fn settle(&mut self, relays: u8, baskets: u8) -> Result<()> {
        self.environment.run_only(&wanted(relays, baskets, false, false)).await
    }

    async fn settle_for(&mut self, fault: &Fault) -> Result<()> {
        let wanted = wanted(fault.relays, fault.baskets, fault.has_orders, fault.has_users);
        self.environment.run_only(&wanted).await
    }

    /// Breaks one thing and judges what came of it. An error is the harness's own, and counts as a failure
    /// of the run, not of the harness.
    pub(crate) async fn run(&mut self, fault: &Fault, repeat: u64) -> Outcome {
        let began = Instant::now();
        let seed = seed_of(self.seed, fault.name, repeat);
        let mut outcome = match self.attempt(fault, seed).await {
            Ok(outcome) => outcome,
            Err(error) => {
                let outcome = Outcome::failed(fault, format!("the run could not be ended: {error:#}"));
                if let Err(error) = self.mend() {
                    complain(format!("  ! the environment cannot be mended: {error:#}"));
                }
                outcome
            }
        };
        outcome.seconds = began.elapsed().as_secs_f64();
        outcome
    }

    async fn attempt(&mut self, fault: &Fault, seed: u64) -> Result<Outcome> {
        self.environment.interrupt.check()?;
        self.rng = fastrand::Rng::with_seed(seed);
        self.settle_for(fault).await?;
        let order_mark = if fault.has_orders { Some(OrderMark::set(&self.environment).await?) } else { None };
        let user_mark = if fault.has_users { Some(UserMark::set(&self.environment).await?) } else { None };
        let mark = Mark::set(&self.environment, &self.recorder).await?;
        let mut workload = Workload::start(&self.environment, seed)?;
        if fault.has_shoppers() {
            workload.open_shop(&self.environment).await?;
        }
        if fault.has_users {
            workload.open_doors(&self.environment)?;
        }
        anyhow::ensure!(
            workload.until_done(WARM, LIMIT).await?,
            "too little was done before anything was broken"
        );
        let before = Footprint::take(&self.environment).await?;
        let timeline = Timeline::start(&self.environment, &self.recorder, &workload.counters);

        sleep(Duration::from_millis(self.rng.u64(0..500))).await;
        let injected = Instant::now();
        let injection = {
            let Self { environment, recorder, rng, heaviest, .. } = self;
            let mut target = Target { environment, workload: &workload, recorder, rng, heaviest };
            (fault.inject)(&mut target).await?
        };
        let enough = workload.until_done(AFTERWARDS, LIMIT).await?
            && (!fault.has_shoppers() || workload.until_ordered(ENOUGH_ORDERS, LIMIT).await?)
            && (!fault.has_users || workload.until_registered(ENOUGH_USERS, LIMIT).await?);
        let registrations = std::sync::Arc::clone(&workload.registrations);
        let (promised, shopping) = workload.stop().await;
        let counts = promised.counts();
        let mut late = Vec::new();
        if !enough {
            late.push("live: operations do not succeed again".to_owned());
        }
        self.settle_for(fault).await?;
        if injection.is_replayed {
            self.replay(&mark).await?;
        }
        self.forged.extend(&injection.expected.forged);
        let expected = &Expected { forged: self.forged.clone(), ..injection.expected.clone() };
        late.extend(rest::at_rest(&self.environment, mark.position, &expected.unrouted, self.limit).await?);
        if let Some(mark) = &order_mark {
            let unsettled = async || mark.unsettled(&self.environment).await;
            late.extend(rest::settled("all orders", self.limit * ORDERS, unsettled).await?);
        }
        if let Some(mark) = &user_mark {
            let unsettled = async || mark.unsettled(&self.environment).await;
            late.extend(rest::settled("all registrations", self.limit, unsettled).await?);
        }
        let timeline = timeline.stop(injected, injection.healed).await;

        let observations = Observations::read(
            &self.environment,
            &self.recorder,
            &mark,
            promised.promised(),
            &expected.undone,
        )
        .await?;
        let mut findings = check(&observations, expected);
        findings.found.committed = observations.log.len();
        if let Some(order_mark) = &order_mark {
            let publications = self.recorder.since(mark.publications);
            let orders =
                order_mark.read(&self.environment, &shopping, publications, &expected.undone).await?;
            check_orders(&orders, &mut findings);
        }
        if let Some(mark) = &user_mark {
            check_users(&mark.read(&self.environment, registrations.promised()).await?, &mut findings);
        }
        findings.violations.extend(late);
        findings.violations.extend(self.not_clean(&before).await?);
        // What was deleted came back by the operator's hand, not by itself.
        let recovery = observations.recovery(moment(injection.healed)).filter(|_| !injection.is_replayed);
        Ok(Outcome::of(fault, &injection, counts, findings, recovery, timeline))
    }

    async fn not_clean(&self, before: &Footprint) -> Result<Vec<String>> {
        let mut grown = Vec::new();
        let clean = async || {
            grown = Footprint::take(&self.environment).await?.grown(before);
            Ok(grown.is_empty().then_some(()))
        };
        until(TIDYING, Duration::from_millis(500), clean).await?;
        Ok(grown)
    }

    /// What an operator does who has lost a queue: once nothing is pending any more, sends again what was
    /// published since.
    async fn replay(&mut self, mark: &Mark) -> Result<()> {
        let pending = async || Ok((rest::pending(&self.environment).await? == 0).then_some(()));
        until(LIMIT, Duration::from_millis(100), pending)
            .await?
            .context("there is still something pending")?;
        let from: String = sqlx::query_scalar(
            "select to_char(min(created_at) at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')
               from integration_event_log where position > $1",
        )
        .bind(mark.position)
        .fetch_one(&self.environment.catalog)
        .await?;
        let to = "2100-01-01T00:00:00Z";
        self.environment.operate(&["replay", "--from", &from, "--to", to]).map(drop)
    }

    /// After a run that was broken off: starts what does not answer any more, and has services with the usual
    /// settings alone.
    fn mend(&mut self) -> Result<()> {
        use rustix::process::Signal;
        for name in self.environment.all_servers() {
            // One that is gone cannot be thawed.
            drop(self.environment.signal(name, Signal::CONT));
            if !self.environment.listens(name)? {
                self.environment.start_server(name)?;
            }
        }
        self.environment.kill_all();
        Ok(())
    }
}

/// The catalog, so many relays and baskets, and, for orders, ordering, the payments and their provider; for users accounts,
/// the notifier and a mail server.
fn wanted(relays: u8, baskets: u8, has_orders: bool, has_users: bool) -> Vec<Name> {
    let orders = [Name::SANDBOX, Name::ORDERING, Name::PAYMENT];
    let users = [Name::MAILBOX, Name::NOTIFIER, Name::ACCOUNTS];
    std::iter::once(Name::CATALOG)
        .chain(orders.into_iter().filter(|_| has_orders))
        .chain(users.into_iter().filter(|_| has_users))
        .chain((1..=baskets).map(Name::basket))
        .chain((1..=relays).map(Name::Relay))
        .collect()
}

/// Orders that are soon over: the buyer has a second to think again, a payment is asked for again after two, and so is a
/// mail sent. Passwords are hashed in no time: this build is slow at it.
fn order_settings() -> Vec<(Name, &'static str, &'static str)> {
    vec![
        (Name::ORDERING, "APP__ORDERS__GRACE_PERIOD_S", "1"),
        (Name::ORDERING, "APP__ORDERS__REPLY_DEADLINE_S", "12"),
        (Name::PAYMENT, "APP__WORKER__DEADLINE_MS", "2000"),
        (Name::PAYMENT, "APP__WORKER__LEASE_MS", "7000"),
        (Name::PAYMENT, "APP__WORKER__LONGEST_PAUSE_MS", "2000"),
        (Name::NOTIFIER, "APP__WORKER__DEADLINE_MS", "2000"),
        (Name::NOTIFIER, "APP__WORKER__LEASE_MS", "7000"),
        (Name::NOTIFIER, "APP__WORKER__LONGEST_PAUSE_MS", "2000"),
        (Name::NOTIFIER, "APP__WORKER__REFUSALS", "1000"),
        (Name::ACCOUNTS, "APP__PASSWORDS__MEMORY_KIB", "64"),
        (Name::ACCOUNTS, "APP__SIGN_IN__REGISTRATIONS_OF_CLIENT", "1000000"),
    ]
}

/// When that was, in seconds since 1970.
fn moment(instant: Instant) -> f64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    (now.saturating_sub(instant.elapsed())).as_secs_f64()
}

/// Same seed, same fault, same schedule, whatever else runs.
fn seed_of(seed: u64, name: &str, repeat: u64) -> u64 {
    let mixed = name.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    fastrand::Rng::with_seed(mixed.wrapping_add(repeat)).u64(..)
}

/// Ids, as a set.
pub(crate) fn set(ids: impl IntoIterator<Item = Uuid>) -> HashSet<Uuid> {
    ids.into_iter().collect()
}
