//! An operator's request, and what the control room answers it with.

use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use anyhow::Result;
use futures_util::future::LocalBoxFuture;
use service_kit::problem::Problem;

use super::api::OpsApi;
use super::bulk::Job;
use super::dashboard::Poller;
use super::tool::Tool;
use crate::kept::Kept;
use crate::pages::Visit;
use crate::session::{OPS, User};
use crate::settings::Settings;
use service_kit::settings::Mode;

/// What the control room works with; one for the whole process.
pub(crate) struct ControlRoom {
    pub(super) api: OpsApi,
    pub(super) poller: Poller,
    pub(super) jobs: Kept<Job>,
    /// Only in development mode.
    pub(super) tool: Option<Tool>,
}

impl ControlRoom {
    /// `None` where no relay is configured. Does not connect.
    pub(crate) fn new(settings: &Settings, mode: Mode) -> Result<Option<Arc<Self>>> {
        // Checked first: a tool in production mode is an error, also without a control room.
        let tool = settings.tool(mode)?;
        let Some(api) = OpsApi::new(settings)? else { return Ok(None) };
        let names = api.relays.iter().map(|relay| relay.service().to_owned()).collect();
        let tool = tool.map(|tool| Tool::new(tool.path.clone(), names));
        Ok(Some(Arc::new(Self { poller: Poller::default(), jobs: Kept::new(Job::is_running), api, tool })))
    }
}

/// A request of an operator. Others get 403; the answer is 404 where there is no control room.
///
/// In a handler it follows [`Posted`](crate::session::Posted), so that a form of another site is refused first.
pub(super) struct Operator {
    pub(super) visit: Visit,
    pub(super) user: User,
    pub(super) room: Arc<ControlRoom>,
}

impl FromRequest for Operator {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let visit = Visit::from_request(request, payload);
        let room = request.app_data::<web::Data<Option<Arc<ControlRoom>>>>().cloned();
        Box::pin(async move {
            let visit = visit.await?;
            let user = visit.allowed(OPS)?.clone();
            let room = room.and_then(|room| room.as_ref().clone());
            let room = room.ok_or_else(|| Problem::not_found("this shop has no control room"))?;
            Ok(Self { visit, user, room })
        })
    }
}
