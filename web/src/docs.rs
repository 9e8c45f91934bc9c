//! The description of the API, made from the code that answers: OpenAPI 3.1, a page for people, and the reference.

use crate::api::{
    alarms, complete, farms, filters, live, logs, mesh, query, series_list, silences, sockets, tree, views,
};
use crate::extract::typed;
use axum::response::Response;
use std::fmt::Write as _;
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Hedgerow",
        description = "A mesh of farm monitors, for programs. Times are integers, Unix milliseconds; what is not a number in JSON is null. \
                       Errors are {\"error\":{\"code\",\"message\"}}; answers that are not complete say so in `coverage`. Reading is free on \
                       this machine; what changes something takes the header X-Hedgerow-Session with the token that the server printed at its start.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT"),
    ),
    paths(
        mesh::mesh, mesh::farms, farms::farm,
        series_list::series, tree::tree, complete::complete, query::query, live::live, sockets::views,
        alarms::alarms, alarms::alarm, alarms::acknowledge, alarms::unacknowledge, alarms::close,
        silences::silence, silences::end,
        filters::filters, filters::upload, filters::describe, filters::deploy, filters::remove, filters::retry, logs::logs,
        views::list, views::get, views::put, views::remove,
    ),
    tags(
        (name = "mesh", description = "The mesh, its farms, and how they are"),
        (name = "data", description = "Series, history, and values as they come"),
        (name = "alarms", description = "What filters raised"),
        (name = "filters", description = "Code that runs at the farms"),
        (name = "views", description = "Saved states of the page"),
    ),
    modifiers(&Session, &Refusals),
)]
struct Api;

/// The session's token, as a scheme.
struct Session;

impl Modify for Session {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let about = "The token behind `#session=` in the link that the server printed at its start.";
        let key = ApiKey::Header(ApiKeyValue::with_description("X-Hedgerow-Session", about));
        if let Some(components) = &mut openapi.components {
            components.add_security_scheme("session", SecurityScheme::ApiKey(key));
        }
    }
}

/// What any operation may answer beside what it names: the security gate, the router and bounds refuse all in the same form.
struct Refusals;

impl Modify for Refusals {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorBody"))).build();
        let refused = ResponseBuilder::new()
            .description("Refused for another reason, or failed: the body says why")
            .content("application/json", body)
            .build();
        for item in openapi.paths.paths.values_mut() {
            let of_item = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
            for operation in of_item.into_iter().flatten() {
                operation.responses.responses.insert("default".to_owned(), refused.clone().into());
            }
        }
    }
}

/// The description.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// `GET /api/v1/openapi.json`.
pub async fn document() -> Response {
    typed("application/json", openapi().to_json().unwrap_or_default())
}

type Row = (&'static str, String, Operation);

/// All operations, by the first of their tags.
fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (path, item) in openapi().paths.paths {
        let PathItem { get, put, post, delete, .. } = item;
        let methods = [("GET", get), ("PUT", put), ("POST", post), ("DELETE", delete)];
        rows.extend(
            methods.into_iter().filter_map(|(word, operation)| Some((word, path.clone(), operation?))),
        );
    }
    rows
}

fn tags() -> Vec<(String, String)> {
    let tags = openapi().tags.unwrap_or_default();
    tags.into_iter().map(|tag| (tag.name, tag.description.unwrap_or_default())).collect()
}

fn has_tag(operation: &Operation, tag: &str) -> bool {
    operation.tags.iter().flatten().any(|of| of == tag)
}

/// `GET /api`: what there is, for people.
pub async fn page() -> Response {
    let mut html = String::from(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>Hedgerow: the API</title></head>\n<body><h1>The API of this mesh</h1>\n<p>For \
         programs: <a href=\"/api/v1/openapi.json\">OpenAPI 3.1</a>. What is marked with * takes the header \
         <code>X-Hedgerow-Session</code> with the token that this server printed at its start.</p>\n",
    );
    let rows = rows();
    for (tag, about) in tags() {
        let _ = write!(html, "<h2>{}</h2>\n<table>", escaped(&about));
        for (method, path, operation) in rows.iter().filter(|(_, _, operation)| has_tag(operation, &tag)) {
            let mark = if operation.security.is_some() { " *" } else { "" };
            let plain =
                *method == "GET" && !path.contains('{') && !path.contains("live") && !path.ends_with("query");
            let shown = escaped(path);
            let shown = if plain { format!("<a href=\"{shown}\">{shown}</a>") } else { shown };
            let summary = escaped(operation.summary.as_deref().unwrap_or_default());
            let _ = writeln!(
                html,
                "<tr><td>{method}{mark}</td><td><code>{shown}</code></td><td>{summary}</td></tr>"
            );
        }
        html.push_str("</table>\n");
    }
    html.push_str("</body></html>\n");
    typed("text/html; charset=utf-8", html)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The operations as tables of Markdown, for the reference.
pub fn reference() -> String {
    let mut text = String::new();
    let rows = rows();
    for (tag, about) in tags() {
        let _ = write!(text, "### {about}\n\n| | | |\n|---|---|---|\n");
        for (method, path, operation) in rows.iter().filter(|(_, _, operation)| has_tag(operation, &tag)) {
            let mark = if operation.security.is_some() { " \\*" } else { "" };
            let summary = operation.summary.as_deref().unwrap_or_default();
            let about = operation.description.as_deref().unwrap_or_default().replace('\n', " ");
            let asked = parameters(operation);
            let what = [summary, &about, &asked].into_iter().filter(|part| !part.is_empty());
            let what = what
                .map(|part| part.trim_end_matches('.'))
                .collect::<Vec<_>>()
                .join(". ")
                .replace('|', "\\|");
            let _ = writeln!(text, "| {method}{mark} | `{path}` | {what}. |");
        }
        text.push('\n');
    }
    text
}

/// What may stand behind `?`, in words.
fn parameters(operation: &Operation) -> String {
    let asked = operation.parameters.iter().flatten().filter_map(|one| match one {
        RefOr::T(one) => Some(one),
        RefOr::Ref(_) => None,
    });
    let asked = asked.filter(|one| matches!(one.parameter_in, ParameterIn::Query));
    let names: Vec<String> = asked.map(|one| format!("`{}`", one.name)).collect();
    if names.is_empty() { String::new() } else { format!("Asked with {}", names.join(", ")) }
}

#[cfg(test)]
mod tests;
