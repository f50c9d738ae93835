//! In development mode, an operator kills, freezes, thaws and starts relays to watch the recovery.

use actix_web::{post, web};
use service_kit::problem::Problem;

use crate::ops::operator::Operator;
use crate::pages::{Answer, see_other};
use crate::session::{Nothing, Posted};

/// The actions, each with the notice that the next page shows.
const ACTIONS: [(&str, &str); 4] =
    [("kill", "killed"), ("freeze", "frozen"), ("thaw", "thawed"), ("start", "started")];

#[post("/ops/processes/{name}/{action}")]
pub(super) async fn run_action(
    _: Posted<Nothing>,
    operator: Operator,
    path: web::Path<(String, String)>,
) -> Answer {
    let (name, action) = path.into_inner();
    let tool = operator.room.tool.clone().filter(|tool| tool.may_act_on(&name));
    let action = ACTIONS.iter().find(|(known, _)| *known == action);
    let Some((tool, (action, notice))) = tool.zip(action) else {
        return Err(Problem::not_found("there is no such process here"));
    };
    tracing::warn!(process = name, action, by = operator.user.name, "an operator acts on a process");
    // The action is completed even if the visitor disconnects.
    let run = tokio::spawn(async move { tool.run(action, &name).await });
    run.await.map_err(|error| Problem::internal(&error))??;
    Ok(see_other(&format!("/ops?did={notice}")))
}
