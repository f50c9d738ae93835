//! One fault, from a healthy suite to a verdict.

mod broken;
mod outcome;
mod rest;
mod scoreboard;
mod soak;
mod timeline;

use std::{
    collections::HashSet,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

pub(crate) use self::{
    broken::Broken,
    outcome::{Outcome, Verdict},
    rest::pending,
    scoreboard::{Row, scoreboard},
    soak::{soak, strike_relays},
    timeline::{Point, Timeline},
};
use crate::{
    check::{Evidence, Expected, Footprint, Mark, Probe, judge},
    faults::{Act, Fault, Scene},
    load::{Load, fill_standing_carts},
    patience::until,
    stage::Stage,
};

/// Operations that must have been done before something is broken, and after it was mended.
const WARM: u64 = 25;
const AFTERWARDS: u64 = 25;

/// How long a suite that is well may take for that.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long everything that was committed may take to arrive, once nothing is broken any more.
const RESTING: Duration = Duration::from_mins(1);

/// How long resources may take to come back: the broker's own figures are up to five seconds old.
const TIDYING: Duration = Duration::from_secs(15);

/// Runs faults one after the other on one stage.
pub(crate) struct Runner {
    pub(crate) stage: Stage,
    pub(crate) probe: Probe,
    seed: u64,
    /// How long everything that was committed may take to arrive, once nothing is broken any more.
    patience: Duration,
    /// Events of the harness's own: one that is late may arrive in the next run.
    forged: HashSet<Uuid>,
}

impl Runner {
    /// Brings the stage up, and waits until the first products have reached the basket.
    pub(crate) async fn open(stage: Stage, seed: u64) -> Result<Self> {
        let probe = Probe::start(&stage.broker).await?;
        let mut runner = Self { stage, probe, seed, patience: RESTING, forged: HashSet::new() };
        runner.stage.settle(1, 1).await?;
        fill_standing_carts(&runner.stage).await?;
        if let Some(stuck) = rest::at_rest(&runner.stage, 0, &HashSet::new(), RESTING).await? {
            anyhow::bail!("the suite does not come to rest before anything was broken: {stuck}");
        }
        Ok(runner)
    }

    /// One with a stage of its own, as this one was opened.
    pub(crate) async fn anew(&self) -> Result<Self> {
        Self::open(self.stage.another().await?, self.seed).await
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
                    eprintln!("  ! the stage cannot be mended: {error:#}");
                }
                outcome
            }
        };
        outcome.seconds = began.elapsed().as_secs_f64();
        outcome
    }

    async fn attempt(&mut self, fault: &Fault, seed: u64) -> Result<Outcome> {
        self.stage.interrupt.check()?;
        self.stage.rng = fastrand::Rng::with_seed(seed);
        self.stage.settle(fault.relays, fault.baskets).await?;
        let mark = Mark::set(&self.stage, &self.probe).await?;
        let load = Load::start(&self.stage, seed)?;
        anyhow::ensure!(
            load.until_done(WARM, PATIENCE).await?,
            "too little was done before anything was broken"
        );
        let before = Footprint::take(&self.stage).await?;
        let timeline = Timeline::start(&self.stage, &self.probe, &load.tally);

        sleep(Duration::from_millis(self.stage.rng.u64(0..500))).await;
        let struck = Instant::now();
        let act = {
            let mut scene = Scene { stage: &mut self.stage, load: &load, probe: &self.probe };
            (fault.strike)(&mut scene).await?
        };
        let enough = load.until_done(AFTERWARDS, PATIENCE).await?;
        let promised = load.stop().await;
        let counts = promised.counts();
        let mut late = Vec::new();
        if !enough {
            late.push("live: operations do not succeed again".to_owned());
        }
        self.stage.settle(fault.relays, fault.baskets).await?;
        if act.is_replayed {
            self.replay(&mark).await?;
        }
        self.forged.extend(&act.expected.forged);
        let expected = &Expected { forged: self.forged.clone(), ..act.expected.clone() };
        late.extend(rest::at_rest(&self.stage, mark.position, &expected.unrouted, self.patience).await?);
        let timeline = timeline.stop(struck, act.healed).await;

        let evidence = Evidence::read(&self.stage, &self.probe, &mark, promised.promised()).await?;
        let mut findings = judge(&evidence, expected);
        findings.committed = evidence.log.len();
        findings.violations.extend(late);
        findings.violations.extend(self.not_clean(&before).await?);
        // What was deleted came back by the operator's hand, not by itself.
        let recovery = evidence.recovery(moment(act.healed)).filter(|_| !act.is_replayed);
        Ok(Outcome::of(fault, &act, counts, findings, recovery, timeline))
    }

    async fn not_clean(&self, before: &Footprint) -> Result<Vec<String>> {
        let mut grown = Vec::new();
        let clean = async || {
            grown = Footprint::take(&self.stage).await?.grown(before);
            Ok(grown.is_empty().then_some(()))
        };
        until(TIDYING, Duration::from_millis(500), clean).await?;
        Ok(grown)
    }

    /// What an operator does who has lost a queue: once nothing is pending any more, sends again what was
    /// published since.
    async fn replay(&mut self, mark: &Mark) -> Result<()> {
        let pending = async || Ok((rest::pending(&self.stage).await? == 0).then_some(()));
        until(PATIENCE, Duration::from_millis(100), pending)
            .await?
            .context("there is still something pending")?;
        let from: String = sqlx::query_scalar(
            "select to_char(min(created_at) at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')
               from integration_event_log where position > $1",
        )
        .bind(mark.position)
        .fetch_one(&self.stage.catalog)
        .await?;
        let to = "2100-01-01T00:00:00Z";
        self.stage.operate(&["replay", "--from", &from, "--to", to]).map(drop)
    }

    /// After a run that was broken off: starts what does not answer any more, and has services with the usual
    /// settings alone.
    fn mend(&mut self) -> Result<()> {
        use rustix::process::Signal;
        use shop::suite::Name;
        for name in [Name::Postgres, Name::Rabbitmq] {
            // One that is gone cannot be thawed.
            drop(self.stage.signal_server(name, Signal::CONT));
            if !self.stage.listens(name)? {
                self.stage.start_server(name)?;
            }
        }
        self.stage.replace_all(self.stage.without)
    }

    /// Where the processes' logs are.
    pub(crate) fn logs(&self) -> PathBuf {
        self.stage.logs()
    }
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

/// What a fault that leaves nothing special behind has done.
pub(crate) fn act(seen: u64, healed: Instant) -> Act {
    Act { seen, healed, expected: Expected::default(), is_replayed: false }
}

/// Ids, as a set.
pub(crate) fn set(ids: impl IntoIterator<Item = Uuid>) -> HashSet<Uuid> {
    ids.into_iter().collect()
}
