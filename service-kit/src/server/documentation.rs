//! The service's `OpenAPI` document, and the page that shows it without a network.

use actix_web::http::header::LOCATION;
use actix_web::{App, HttpResponse, get};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_actix_web::AppExt;
use utoipa_actix_web::service_config::ServiceConfig;
use utoipa_swagger_ui::SwaggerUi;

use super::{About, operations, refusals};
use crate::problem;

/// Where the page is.
pub(super) const DOCS: &str = "/docs";

/// The `OpenAPI` document of a service with these routes.
pub fn document(about: &About, routes: impl FnOnce(&mut ServiceConfig<'_>)) -> OpenApi {
    let app = App::new().into_utoipa_app().openapi(base(about)).configure(routes);
    refusals::documented(app.configure(operations::routes).split_for_parts().1)
}

/// What is in every document: the title, how tokens are sent, and what a problem looks like.
pub(super) fn base(about: &About) -> OpenApi {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title(about.title)
                .description(Some(about.description))
                .version(about.version)
                .build(),
        )
        .components(Some(
            ComponentsBuilder::new()
                .schema_from::<problem::Body>()
                .schema_from::<problem::Fault>()
                .security_scheme("bearer", SecurityScheme::Http(bearer))
                .build(),
        ))
        .build()
}

pub(super) fn pages(document: OpenApi) -> SwaggerUi {
    SwaggerUi::new("/docs/{_:.*}").url("/openapi.json", document)
}

#[get("/docs")]
pub(super) async fn redirect() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((LOCATION, "/docs/")).finish()
}
