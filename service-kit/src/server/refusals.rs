//! The refusals that every operation of every service has in common, written into its document once.

use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{Content, OpenApi, Ref, Response, ResponseBuilder};

use crate::problem;

/// Adds to each operation, unless it says something of its own: 401 and 403 where a token is needed, and
/// 503, because every operation may be asked for when the service cannot do it.
pub(super) fn documented(mut document: OpenApi) -> OpenApi {
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        let is_operations = operation.tags.iter().flatten().any(|tag| tag == super::operations::TAG);
        let (needs_token, needs_scope) = needs(operation);
        for (applies, status, description) in [
            (needs_token, "401", "no valid token"),
            (needs_scope, "403", "a token without the scope"),
            (needs_token, "403", "a token that does not allow this"),
            (!is_operations, "503", "not now: see `Retry-After`"),
        ] {
            if applies {
                let response = || refusal(description).into();
                operation.responses.responses.entry(status.to_owned()).or_insert_with(response);
            }
        }
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten()
}

/// Whether an operation needs a token, and whether it needs a scope.
fn needs(operation: &Operation) -> (bool, bool) {
    let requirements = operation.security.as_deref().unwrap_or_default();
    // A requirement shows its scopes only as JSON: `{"bearer":["ops"]}`.
    let scoped = serde_json::to_value(requirements).is_ok_and(|shown| {
        let schemes = shown.as_array().into_iter().flatten().filter_map(serde_json::Value::as_object);
        schemes
            .flat_map(|scheme| scheme.values())
            .any(|scopes| scopes.as_array().is_some_and(|s| !s.is_empty()))
    });
    (!requirements.is_empty(), scoped)
}

fn refusal(description: &str) -> Response {
    let body = Content::new(Some(Ref::from_schema_name("Problem")));
    ResponseBuilder::new().description(description).content(problem::MEDIA_TYPE, body).build()
}
