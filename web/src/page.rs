//! The front end, embedded as it was built: the page, its hashed assets with a long cache, everything compressed beforehand.
//!
//! A binary that was built without the front end says how to build it.

use axum::response::Response;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue,
    IF_NONE_MATCH, VARY,
};
use http::{StatusCode, Uri};
use rust_embed::{EmbeddedFile, RustEmbed};

/// What Vite made, below `app/`; beside each text file it as gzip, with `.gz` behind its name.
#[derive(RustEmbed)]
#[folder = "ui/dist/"]
struct Dist;

const PAGE: &str = "app/index.html";
/// Paths of the page, beside `/`: what the page does with the rest is its own.
const ROUTES: [&str; 6] = ["farm", "explore", "compare", "filters", "alarms", "lookups"];
/// The folder of files whose names change with their content.
const HASHED: &str = "/assets/";
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const ASK_AGAIN: &str = "no-cache";

/// Whether this binary has the front end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Built {
    /// It has.
    Yes,
    /// It was built without.
    No,
}

/// Whether this binary has the front end.
pub fn built() -> Built {
    if Dist::get(PAGE).is_some() { Built::Yes } else { Built::No }
}

/// The file of this path; a path of the page gives the page.
pub fn answer(uri: &Uri, asked: &HeaderMap) -> Option<Response> {
    let path = uri.path();
    let first = path.split('/').nth(1).unwrap_or_default();
    if path == "/" || ROUTES.contains(&first) {
        return Some(file(PAGE, ASK_AGAIN, asked).unwrap_or_else(not_built));
    }
    let cache = if path.starts_with(HASHED) { FOR_EVER } else { ASK_AGAIN };
    // Names of what is embedded: nothing is looked up in a file system.
    let name = format!("app{path}");
    if name.ends_with(".gz") { None } else { file(&name, cache, asked) }
}

fn file(name: &str, cache: &'static str, asked: &HeaderMap) -> Option<Response> {
    let plain = Dist::get(name)?;
    let tag = tag(&plain);
    let mut response = Response::new(axum::body::Body::empty());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    if asked.get(IF_NONE_MATCH).and_then(|said| said.to_str().ok()).is_some_and(|said| said.contains(&tag)) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Some(response);
    }
    let packed = Some(format!("{name}.gz")).filter(|_| takes_gzip(asked)).and_then(|name| Dist::get(&name));
    if packed.is_some() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    *response.body_mut() = packed.unwrap_or(plain).data.into_owned().into();
    Some(response)
}

fn takes_gzip(asked: &HeaderMap) -> bool {
    let said = asked.get_all(ACCEPT_ENCODING).iter().filter_map(|said| said.to_str().ok());
    said.flat_map(|said| said.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip") || name == "*");
        is_gzip && !parts.any(|part| part.replace(' ', "").trim_end_matches(['0', '.']) == "q=")
    })
}

/// Of its content: the same in every build of the same front end.
fn tag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    let short: String = hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{short}\"")
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// What stands where the page should be.
const NOT_BUILT: &str = "<!doctype html>
<html lang=\"en\"><head><meta charset=\"utf-8\"><title>hedgerow</title></head>
<body><h1>This hedgerow was built without its page</h1>
<p>The API is here all the same: <a href=\"/api\">/api</a>.</p>
<p>In a checkout of the sources, <code>cargo xtask web</code> builds the page (it takes node and npm), and
<code>cargo build --release</code> puts it into the binary; <code>cargo xtask up</code> does both.</p></body></html>
";

fn not_built() -> Response {
    let mut response = Response::new(NOT_BUILT.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type("html")));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn get(path: &str, headers: &[(http::HeaderName, &str)]) -> Option<Response> {
        let mut asked = HeaderMap::new();
        for (name, value) in headers {
            asked.insert(name.clone(), value.parse().unwrap());
        }
        answer(&path.parse().unwrap(), &asked)
    }

    #[test]
    fn the_page_or_how_to_build_it_is_at_its_paths_and_nothing_is_elsewhere() {
        for path in ["/", "/farm/oak", "/explore?p=*", "/alarms"] {
            let page = get(path, &[]).unwrap();
            assert_eq!(page.status(), StatusCode::OK, "{path}");
            assert_eq!(page.headers()[CONTENT_TYPE], "text/html; charset=utf-8", "{path}");
        }
        for path in ["/nothing", "/assets/none.js", "/../Cargo.toml", "/README", "/index.html.gz", "/farms"] {
            assert!(get(path, &[]).is_none(), "{path}");
        }
    }

    #[test]
    fn a_page_that_was_seen_is_not_sent_again() {
        if built() == Built::No {
            return;
        }
        let page = get("/", &[(ACCEPT_ENCODING, "br, gzip;q=0.8")]).unwrap();
        let tag = page.headers()[ETAG].to_str().unwrap().to_owned();
        assert_eq!(page.headers()[CACHE_CONTROL], ASK_AGAIN);
        assert_eq!(get("/", &[(IF_NONE_MATCH, &tag)]).unwrap().status(), StatusCode::NOT_MODIFIED);
        assert!(get("/", &[]).unwrap().headers().get(CONTENT_ENCODING).is_none());
    }

    #[test]
    fn gzip_is_sent_only_to_who_takes_it() {
        let takes = |said: &'static str| {
            let mut asked = HeaderMap::new();
            asked.insert(ACCEPT_ENCODING, HeaderValue::from_static(said));
            takes_gzip(&asked)
        };
        assert!(takes("gzip") && takes("br, GZIP;q=0.5") && takes("*"));
        assert!(!takes("br") && !takes("gzip;q=0") && !takes("gzip; q=0.0") && !takes(""));
    }
}
