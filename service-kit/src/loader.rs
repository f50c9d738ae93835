//! Reads that come at the same time, in one statement.
//!
//! A statement for ten rows costs little more than one for a single row: most of either is the way to the database
//! and back. So while a read is under way, what is asked for meanwhile waits and then goes together, as in a
//! `DataLoader`. Where nobody else asks, nobody waits.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Timeout, timeout};

use crate::problem::Problem;

/// How many may wait to go; who comes then waits to get in line.
const LINE: usize = 1024;
/// How many go together, at most.
const TOGETHER: usize = 64;
/// How long those in line wait for a read that is under way: a connection that was cut silently holds up those
/// that went with it, and nobody else.
const WAIT: Duration = Duration::from_millis(5);
/// How long a read may take. Its askers may have given up before.
const DEADLINE: Duration = Duration::from_secs(5);

/// Reads values by their keys, those together that are asked for at the same time.
///
/// What is read is never older than the question. A question that was given up harms no other one.
pub struct Loader<K, V> {
    line: mpsc::Sender<Asked<K, V>>,
}

struct Asked<K, V> {
    key: K,
    answer: oneshot::Sender<Result<Option<V>, Arc<sqlx::Error>>>,
}

impl<K, V> Loader<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// A loader that reads with `read`, on the runtime that this is called on, until it is dropped. `read` has
    /// each key once; what it does not return is not there.
    pub fn new<R, F>(read: R) -> Self
    where
        R: Fn(Vec<K>) -> F + Send + 'static,
        F: Future<Output = Result<HashMap<K, V>, sqlx::Error>> + Send + 'static,
    {
        Self::patient(WAIT, DEADLINE, read)
    }

    fn patient<R, F>(wait: Duration, deadline: Duration, read: R) -> Self
    where
        R: Fn(Vec<K>) -> F + Send + 'static,
        F: Future<Output = Result<HashMap<K, V>, sqlx::Error>> + Send + 'static,
    {
        let (line, mut asking) = mpsc::channel(LINE);
        tokio::spawn(async move {
            let mut asked: Vec<Asked<K, V>> = Vec::new();
            while asking.recv_many(&mut asked, TOGETHER).await > 0 {
                let together = std::mem::take(&mut asked);
                let keys: HashSet<&K> = together.iter().map(|asked| &asked.key).collect();
                let reading = timeout(deadline, read(keys.into_iter().cloned().collect()));
                let under_way = tokio::spawn(answer(together, reading));
                // Whether it is back, or takes long: the next go.
                drop(timeout(wait, under_way).await);
            }
        });
        Self { line }
    }

    /// Reads the value for a key; `None`: there is none.
    pub async fn load(&self, key: K) -> Result<Option<V>, Problem> {
        let (answer, answered) = oneshot::channel();
        let stopped = || Problem::internal(&"the reading of a value broke off");
        self.line.send(Asked { key, answer }).await.map_err(|_gone| stopped())?;
        let own = answered.await.map_err(|_gone| stopped())?;
        own.map_err(|error| Problem::from(&*error))
    }
}

/// Tells everyone what was found for them.
async fn answer<K: Eq + Hash, V: Clone>(
    together: Vec<Asked<K, V>>,
    reading: Timeout<impl Future<Output = Result<HashMap<K, V>, sqlx::Error>>>,
) {
    let found = reading.await.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(Arc::new);
    for Asked { key, answer } in together {
        let own = found.as_ref().map(|found| found.get(&key).cloned()).map_err(Arc::clone);
        // Whoever has given up does not listen.
        drop(answer.send(own));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use actix_web::http::StatusCode;
    use tokio::sync::Semaphore;
    use tokio::task::{JoinHandle, yield_now};

    use super::*;

    const LONG: Duration = Duration::from_hours(1);
    const SHORT: Duration = Duration::from_millis(1);

    /// A loader of tenfolds.
    struct Tenfolds {
        loader: Arc<Loader<u32, u32>>,
        /// The keys of each read so far.
        reads: Arc<Mutex<Vec<Vec<u32>>>>,
        /// A read ends when it gets one of these.
        ends: Arc<Semaphore>,
    }

    impl Tenfolds {
        fn new(wait: Duration, deadline: Duration) -> Self {
            let (reads, ends) = (Arc::<Mutex<Vec<Vec<u32>>>>::default(), Arc::new(Semaphore::new(0)));
            let (seen, end) = (Arc::clone(&reads), Arc::clone(&ends));
            let loader = Loader::patient(wait, deadline, move |mut keys: Vec<u32>| {
                keys.sort_unstable();
                seen.lock().unwrap().push(keys.clone());
                let end = Arc::clone(&end);
                async move {
                    end.acquire().await.unwrap().forget();
                    Ok(keys.into_iter().filter(|key| *key < 100).map(|key| (key, key * 10)).collect())
                }
            });
            Self { loader: Arc::new(loader), reads, ends }
        }

        /// Asks for a key, and is in line when this returns.
        async fn ask(&self, key: u32) -> JoinHandle<Option<u32>> {
            let loader = Arc::clone(&self.loader);
            let asking = tokio::spawn(async move { loader.load(key).await.unwrap() });
            for _ in 0..8 {
                yield_now().await;
            }
            asking
        }
    }

    #[tokio::test]
    async fn what_is_asked_for_while_a_read_is_under_way_is_read_together_and_once() {
        let tenfolds = Tenfolds::new(LONG, LONG);
        let mut asking = Vec::new();
        for key in [1, 2, 3, 3, 100] {
            asking.push(tenfolds.ask(key).await);
        }
        tenfolds.ends.add_permits(2);
        let mut answers = Vec::new();
        for asking in asking {
            answers.push(asking.await.unwrap());
        }
        assert_eq!(answers, [Some(10), Some(20), Some(30), Some(30), None]);
        assert_eq!(*tenfolds.reads.lock().unwrap(), [vec![1], vec![2, 3, 100]]);
    }

    #[tokio::test]
    async fn a_read_that_takes_long_holds_up_only_those_that_went_with_it() {
        let tenfolds = Tenfolds::new(SHORT, LONG);
        let (first, second) = (tenfolds.ask(1).await, tenfolds.ask(2).await);
        while tenfolds.reads.lock().unwrap().len() < 2 {
            tokio::time::sleep(SHORT).await;
        }
        tenfolds.ends.add_permits(2);
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (Some(10), Some(20)));
    }

    #[tokio::test]
    async fn a_question_that_is_given_up_harms_no_other() {
        let tenfolds = Tenfolds::new(LONG, LONG);
        let (first, given_up) = (tenfolds.ask(1).await, tenfolds.ask(2).await);
        let third = tenfolds.ask(3).await;
        first.abort();
        given_up.abort();
        tenfolds.ends.add_permits(2);
        assert_eq!(third.await.unwrap(), Some(30));
    }

    #[tokio::test]
    async fn a_read_without_end_is_answered_as_a_database_that_is_away() {
        let problem = Tenfolds::new(SHORT, SHORT).loader.load(1).await.unwrap_err();
        assert_eq!(problem.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
