//! How a service whose clients are people shows a problem.

use actix_web::{HttpRequest, HttpResponse};

use crate::problem::Problem;

/// Makes a page of a problem, where an API answers with `application/problem+json`.
///
/// A service that wants pages puts this into its application's data. The request is `None` where the
/// request was given up before it reached a route, such as one that took too long.
#[derive(Clone, Copy)]
pub struct ProblemPage(pub fn(Option<&HttpRequest>, &Problem) -> HttpResponse);
