//! What everybody says at one moment.

use chrono::{DateTime, Utc};

use crate::ops::api::{Event, Inbox, Member, OpsApi, Outbox, Standing};
use crate::session::User;

/// Events that the board shows.
const NEWEST: usize = 8;

/// What everybody says at one moment; where somebody does not answer, why.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    pub(super) at: DateTime<Utc>,
    pub(super) outbox: Result<Outbox, String>,
    pub(super) inbox: Result<Inbox, String>,
    /// The relays' processes, by the names that they are started under.
    pub(super) processes: Vec<(String, Result<Standing, String>)>,
    /// The relays as the database knows them, and the newest events; from a relay that answers.
    pub(super) members: Result<Vec<Member>, String>,
    pub(super) newest: Result<Vec<Event>, String>,
}

impl Snapshot {
    /// Asks everybody, side by side.
    pub(super) async fn take(api: &OpsApi, user: &User) -> Self {
        let (outbox, inbox, (processes, news)) =
            tokio::join!(api.outbox(user), api.inbox(user), relays(api, user));
        let (members, newest) = match news {
            Ok((members, newest)) => (Ok(members), Ok(newest)),
            Err(why) => (Err(why.clone()), Err(why)),
        };
        let said = |trouble: crate::backends::Trouble| trouble.sentence();
        Self {
            at: Utc::now(),
            outbox: outbox.map_err(said),
            inbox: inbox.map_err(said),
            processes,
            members,
            newest,
        }
    }

    /// Relays that are alive, from whoever knows; `None` where nobody does.
    pub(super) fn alive(&self) -> Option<i64> {
        let known = self.members.as_ref().ok().map(|members| members.iter().filter(|one| one.alive).count());
        let counted = known.and_then(|count| i64::try_from(count).ok());
        counted.or_else(|| self.outbox.as_ref().ok().map(|outbox| outbox.log.relays))
    }
}

type Processes = Vec<(String, Result<Standing, String>)>;

async fn relays(api: &OpsApi, user: &User) -> (Processes, Result<(Vec<Member>, Vec<Event>), String>) {
    let standings = api.standings(user).await;
    let answering = standings.iter().position(Result::is_ok);
    let news = match answering {
        Some(index) => api.news(index, user, NEWEST).await.map_err(|trouble| trouble.sentence()),
        None => Err("No relay answers.".to_owned()),
    };
    let named = api.relay_names().into_iter().zip(standings);
    (named.map(|(name, standing)| (name, standing.map_err(|trouble| trouble.sentence()))).collect(), news)
}
