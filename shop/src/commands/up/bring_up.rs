//! From nothing to ready, in order.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};

use anyhow::{Context, Result, anyhow};

use crate::cli::UpArgs;
use crate::home::{Home, Ports, Secrets, Service, Settled, checkout};
use crate::process::Running;
use crate::servers::{Place, Purpose, Tools};
use crate::suite::{Name, Suite, build};
use crate::terminal::{Interrupt, Progress};

/// Brings everything up. If that fails, what was started is stopped again.
pub(super) fn bring_up(
    args: &UpArgs,
    home: &Home,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<(Suite, Vec<Running>)> {
    let tools = Tools::find_or_install(progress, interrupt)?;
    let mut suite = settle(args, home, progress)?;
    match start_everything(&mut suite, args, &tools, progress, interrupt) {
        Ok(children) => Ok((suite, children)),
        Err(error) => {
            suite.stop(progress, interrupt).context("cannot stop what was started")?;
            Err(error)
        }
    }
}

/// Decides on ports, passwords and places, and writes them down before anything is started.
fn settle(args: &UpArgs, home: &Home, progress: &Progress) -> Result<Suite> {
    // Left behind if a command was killed while it stopped the suite.
    if home.stopping_mark().exists() {
        fs::remove_file(home.stopping_mark()).context("cannot remove the mark of an earlier stop")?;
    }
    let secrets = Secrets::load_or_create(home)?;
    let mut settled = Settled::load(home)?.unwrap_or_default();
    let known = Some(settled.servers.as_path()).filter(|dir| !dir.as_os_str().is_empty());
    settled.servers = Place::settle(home, known, Purpose::Keep)?.dir;
    settled.relays = args.relays;
    settled.save(home)?;

    let mut services: Vec<Service> = Name::all(args.relays).into_iter().map(Name::port).collect();
    services.extend([Service::Management, Service::Distribution, Service::PortMapper]);
    let before = Ports::load(home)?;
    let mut ports = before.clone();
    ports.settle(&services, 0)?;
    ports.save(home)?;
    for name in Name::all(args.relays) {
        let now = ports.of(name.port())?;
        if let Ok(port) = before.of(name.port())
            && port != now
        {
            progress.say(format!("  ! port {port} is taken: {name} is on {now} now"));
        }
    }
    Ok(Suite { home: home.clone(), settled, ports, secrets })
}

fn start_everything(
    suite: &mut Suite,
    args: &UpArgs,
    tools: &Tools,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<Vec<Running>> {
    let mut children = build_and_start_servers(suite, args, tools, progress, interrupt)?;
    let suite = &*suite;

    for name in [Name::Catalog, Name::Basket] {
        let what = format!("migrating {name}'s database");
        progress.during(
            &what,
            |_| suite.migrate(name, interrupt),
            |()| format!("{name}'s database is up to date"),
        )?;
    }
    progress.during(
        "seeding the catalog",
        |_| suite.seed(interrupt),
        |()| "the catalog has its products".to_owned(),
    )?;
    for name in Name::services(args.relays) {
        let url = suite.url(name.port())?;
        let started = progress.during(
            &format!("starting {name}"),
            |_| suite.start_service(name, interrupt),
            |running| format!("{name} is ready on {url} (pid {})", running.process.pid),
        )?;
        children.push(started);
    }
    suite.env_file()?.save(&suite.home)?;
    Ok(children)
}

/// Builds the services while the servers start: the first build takes minutes, later ones none.
fn build_and_start_servers(
    suite: &mut Suite,
    args: &UpArgs,
    tools: &Tools,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<Vec<Running>> {
    progress.say("  … building the services, and starting PostgreSQL and RabbitMQ meanwhile");
    let (has_failed, shared) = (AtomicBool::new(false), &*suite);
    let note = |result: Result<Running>| {
        has_failed.fetch_or(result.is_err(), Ordering::SeqCst);
        result
    };
    let (built, servers) = thread::scope(|scope| {
        let mut postgres = None;
        let mut rabbitmq = None;
        let built = progress.hold(|| {
            postgres = Some(scope.spawn(|| note(start_postgres(shared, tools, progress, interrupt))));
            rabbitmq = Some(scope.spawn(|| note(start_rabbitmq(shared, tools, progress, interrupt))));
            build(&checkout(), args.release, interrupt, &|| has_failed.load(Ordering::SeqCst))
        });
        let join = |server: Option<ScopedJoinHandle<'_, Result<Running>>>| match server
            .map(ScopedJoinHandle::join)
        {
            Some(Ok(result)) => result,
            _ => Err(anyhow!("the thread that started a server has panicked")),
        };
        let servers = progress.during(
            "waiting for PostgreSQL and RabbitMQ",
            // Both are waited for before either may fail: nothing is to start any more when stopping begins.
            |_| {
                let (postgres, rabbitmq) = (join(postgres.take()), join(rabbitmq.take()));
                anyhow::Ok(vec![postgres?, rabbitmq?])
            },
            |_| "the servers are ready".to_owned(),
        );
        (built, servers)
    });
    interrupt.check()?;
    // If a server failed, the build was stopped for that reason alone.
    let servers = servers?;
    suite.settled.binaries = built?;
    suite.settled.save(&suite.home)?;
    Ok(servers)
}

fn start_postgres(
    suite: &Suite,
    tools: &Tools,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<Running> {
    let port = suite.ports.of(Service::Postgres)?;
    let major = tools.postgres.major;
    progress.during(
        "starting PostgreSQL",
        |_| suite.start_postgres(tools, interrupt),
        |running| format!("PostgreSQL {major} is ready on 127.0.0.1:{port} (pid {})", running.process.pid),
    )
}

fn start_rabbitmq(
    suite: &Suite,
    tools: &Tools,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<Running> {
    let port = suite.ports.of(Service::Amqp)?;
    progress.during(
        "starting RabbitMQ",
        |_| suite.start_rabbitmq(tools, interrupt),
        |running| format!("RabbitMQ is ready on 127.0.0.1:{port} (pid {})", running.process.pid),
    )
}
