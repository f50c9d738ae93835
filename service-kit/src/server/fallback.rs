//! What no route answers: 405 where another method would, else 404.

use actix_web::dev::ResourceDef;
use actix_web::{HttpRequest, HttpResponse, web};
use utoipa::openapi::OpenApi;

use crate::problem::Problem;

/// Which methods each path has, as the service's own documentation says.
pub(super) struct Methods(Vec<(ResourceDef, String)>);

impl Methods {
    pub(super) fn of(document: &OpenApi) -> Self {
        let paths = document.paths.paths.iter().map(|(path, item)| {
            let methods = [
                ("GET", item.get.is_some()),
                ("HEAD", item.get.is_some()),
                ("POST", item.post.is_some()),
                ("PUT", item.put.is_some()),
                ("DELETE", item.delete.is_some()),
                ("PATCH", item.patch.is_some()),
            ];
            let allow: Vec<&str> = methods.iter().filter(|(_, has)| *has).map(|(name, _)| *name).collect();
            (ResourceDef::new(path.as_str()), allow.join(", "))
        });
        Self(paths.collect())
    }
}

pub(super) async fn no_route(
    request: HttpRequest,
    methods: web::Data<Methods>,
) -> Result<HttpResponse, Problem> {
    let allow = methods.0.iter().find(|(path, _)| path.is_match(request.path())).map(|(_, allow)| allow);
    Err(allow.map_or_else(
        || Problem::not_found("no route has this path"),
        |allow| Problem::method_not_allowed(allow),
    ))
}
