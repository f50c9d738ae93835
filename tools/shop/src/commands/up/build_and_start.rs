//! The parts of coming up that need not wait for each other.

use std::thread::{self, ScopedJoinHandle};

use anyhow::{Error, Result, anyhow};

use crate::cli::UpArgs;
use crate::home::checkout;
use crate::process::Running;
use crate::registry::Name;
use crate::servers::Tools;
use crate::suite::{Suite, build};
use crate::terminal::{Interrupt, Interrupted, Progress};

/// Builds the services while the servers start: the first build takes minutes, later ones none.
///
/// Whatever fails first ends the others, and is what is reported.
pub(super) fn build_and_start_servers(
    suite: &mut Suite,
    args: &UpArgs,
    tools: &Tools,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<Vec<Running>> {
    progress.say("  … building the services, and starting PostgreSQL and RabbitMQ meanwhile");
    let (together, shared) = (&interrupt.linked(), &*suite);
    let (built, postgres, rabbitmq) = thread::scope(|scope| {
        let (built, postgres, rabbitmq) = progress.hold(|| {
            let postgres =
                scope.spawn(|| or_end_all(together, start_postgres(shared, tools, progress, together)));
            let rabbitmq =
                scope.spawn(|| or_end_all(together, start_rabbitmq(shared, tools, progress, together)));
            let built = or_end_all(together, build(&checkout(), args.release, together));
            (built, postgres, rabbitmq)
        });
        // Both are waited for even if one has failed: nothing is to start any more when stopping begins.
        let what = "waiting for PostgreSQL and RabbitMQ";
        let (postgres, rabbitmq) = progress.wait(what, || (join(postgres), join(rabbitmq)));
        (built, postgres, rabbitmq)
    });
    // What it ended reports failures of its own.
    interrupt.check()?;
    match (built, postgres, rabbitmq) {
        (Ok(binaries), Ok(postgres), Ok(rabbitmq)) => {
            suite.plan.binaries = binaries;
            suite.plan.save(&suite.home)?;
            Ok([postgres].into_iter().chain(rabbitmq).collect())
        }
        (built, postgres, rabbitmq) => {
            Err(cause([built.err(), postgres.err(), rabbitmq.err()].into_iter().flatten()))
        }
    }
}

/// What failed by itself, rather than because something else had failed.
fn cause(errors: impl Iterator<Item = Error>) -> Error {
    let (ended, failed): (Vec<Error>, Vec<Error>) = errors.partition(Error::is::<Interrupted>);
    failed.into_iter().chain(ended).next().unwrap_or_else(|| Interrupted.into())
}

fn or_end_all<T>(together: &Interrupt, result: Result<T>) -> Result<T> {
    if result.is_err() {
        together.abandon();
    }
    result
}

fn join<T>(server: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    server.join().unwrap_or_else(|_| Err(anyhow!("the thread that started a server has panicked")))
}

fn start_postgres(
    suite: &Suite,
    tools: &Tools,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<Running> {
    let port = suite.ports.of(Name::Postgres)?;
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
) -> Result<Vec<Running>> {
    let port = suite.ports.of(Name::RABBITMQ)?;
    progress.during(
        "starting RabbitMQ",
        |_| suite.start_rabbitmq(tools, interrupt),
        |nodes| {
            let pids: Vec<String> = nodes.iter().map(|node| node.process.pid.to_string()).collect();
            format!("RabbitMQ is ready on 127.0.0.1:{port} (pid {})", pids.join(", "))
        },
    )
}
