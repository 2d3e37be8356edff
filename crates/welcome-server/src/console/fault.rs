//! What went wrong, as a page: for browsers, in the place of the problem documents that programs get.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Method, StatusCode};
use welcome_proto::problem;

use super::desk::outside;
use super::door::notice;
use super::parts::Action;
use super::words::Words;

/// Puts a page in the place of a problem that a browser would show as text. Whoever is not logged in is sent there.
pub(crate) async fn as_page(request: Request, next: Next) -> Response {
    if !is_for_people(request.uri().path(), request.headers()) {
        return next.run(request).await;
    }
    let (headers, uri, method) = (request.headers().clone(), request.uri().clone(), request.method().clone());
    let response = next.run(request).await;
    let status = response.status();
    let is_problem = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == problem::MEDIA_TYPE);
    if !is_problem {
        return response;
    }
    if status == StatusCode::UNAUTHORIZED {
        let path = uri.path_and_query().map_or("/console", |path| path.as_str());
        let next = form_urlencoded::Serializer::new(String::new()).append_pair("next", path).finish();
        // A form that came too late is not sent again by itself.
        let next = if method == Method::GET { format!("/console/login?{next}") } else { "/console/login".to_owned() };
        return Redirect::to(&next).into_response();
    }
    let frame = outside(&headers, &uri);
    let (title, text) = said(frame.words, status);
    let page = notice(title, text, Some(Action::main("/console", frame.words.back_home)));
    let mut answer = frame.answer(status, &page);
    if let Some(after) = response.headers().get(RETRY_AFTER) {
        answer.headers_mut().insert(RETRY_AFTER, after.clone());
    }
    answer
}

fn is_for_people(path: &str, headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    !path.starts_with("/v1/") && accept.contains("text/html")
}

fn said(w: &Words, status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => (w.not_found, w.not_found_text),
        StatusCode::FORBIDDEN => (w.forbidden, w.forbidden_text),
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT => (w.too_large, w.too_large_text),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => (w.busy, w.busy_text),
        status if status.is_client_error() => (w.bad_request, w.bad_request_text),
        _ => (w.broken, w.broken_text),
    }
}
