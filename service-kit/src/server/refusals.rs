//! The refusals that every operation of every service has in common, written into its document once.

use utoipa::openapi::path::{Operation, Parameter, PathItem};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, ResponseBuilder};

use crate::problem;

/// Adds to each operation, unless it says something of its own: 401 and 403 where a token is needed, 415 where there is a
/// body, and 503, because every operation may be asked for when the service cannot do it. What an operation says of a
/// refusal needs a description alone: the body is a problem.
pub(super) fn documented(mut document: OpenApi) -> OpenApi {
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        let is_operations = operation.tags.iter().flatten().any(|tag| tag == super::operations::TAG);
        let (needs_token, needs_scope) = needs(operation);
        let waits = operation.parameters.iter().flatten().any(waits_for_an_event);
        let responses = &mut operation.responses.responses;
        for (applies, status, description) in [
            (needs_token, "401", "no valid token"),
            (needs_scope, "403", "a token without the scope"),
            (needs_token, "403", "a token that does not allow this"),
            (operation.request_body.is_some(), "415", "the body is not JSON"),
            (
                waits,
                "503",
                "the event of `X-Applied` has not had its effect here after 5 s: see `Retry-After`",
            ),
            (!is_operations, "503", "not now: see `Retry-After`"),
        ] {
            if applies && !responses.contains_key(status) {
                let response = ResponseBuilder::new().description(description).build();
                responses.insert(status.to_owned(), response.into());
            }
        }
        for response in responses.iter_mut().filter(|(status, _)| status.starts_with(['4', '5'])) {
            if let RefOr::T(response) = response.1
                && response.content.is_empty()
            {
                let body = Content::new(Some(Ref::from_schema_name("Problem")));
                response.content.insert(problem::MEDIA_TYPE.to_owned(), body.into());
            }
        }
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten()
}

fn waits_for_an_event(parameter: &RefOr<Parameter>) -> bool {
    matches!(parameter, RefOr::T(parameter) if parameter.name == "X-Applied")
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
