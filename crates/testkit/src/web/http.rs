//! uhttpd and LuCI's dispatcher: paths to answers.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, COOKIE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_ubus::Status;

use super::{Web, files, lock, page};

/// Of what is sent to us; an image is the largest.
const MAX_BODY: usize = 1 << 20;

type Answer = Response<Full<Bytes>>;

pub(super) async fn serve(web: Arc<Web>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let web = Arc::clone(&web);
        let service = service_fn(move |request| {
            let web = Arc::clone(&web);
            async move { Ok::<_, Infallible>(web.route(request).await) }
        });
        // A browser that hangs up is none of our business.
        connections
            .spawn(async move { drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await) });
        while connections.try_join_next().is_some() {}
    }
}

impl Web {
    async fn route(&self, request: Request<Incoming>) -> Answer {
        self.parts.router.look_at_clock();
        let (head, body) = request.into_parts();
        let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
            return plain(StatusCode::PAYLOAD_TOO_LARGE, "too much");
        };
        let body = body.to_bytes();
        let cookies = head.headers.get(COOKIE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let cookie = |name: &str| cookies.split("; ").find_map(|c| c.strip_prefix(name)?.strip_prefix('='));
        let session = cookie("sysauth").unwrap_or_default();
        let language = cookie("lang").unwrap_or("en");
        let path = head.uri.path();
        let Some(inner) = path.strip_prefix(page::BASE).map(|rest| rest.trim_matches('/')) else {
            return match path {
                _ if path.starts_with("/ubus") => self.rpc(&body).await,
                "/cgi-bin/cgi-upload" => {
                    let kind = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
                    self.upload(&body, kind.split_once("boundary=").map_or("", |(_, boundary)| boundary))
                }
                _ => self.file(path),
            };
        };
        match inner {
            _ if inner.starts_with("admin/ubus") => self.rpc(&body).await,
            "admin/menu" => match lock(&self.sessions).get(session) {
                Some(session) => data(&page::menu(&self.parts.app, session)),
                None => plain(StatusCode::FORBIDDEN, "log in first"),
            },
            "admin/uci/apply_rollback" => {
                let wish = json!({ "rollback": true, "timeout": 90 });
                match self.uci(session, "apply", &wish) {
                    Ok(_) => data(&json!({ "token": session })),
                    Err(status) => plain(code(status), &status.to_string()),
                }
            }
            "admin/uci/apply_unchecked" => self.done(session, "apply", &json!({ "rollback": false })),
            "admin/uci/confirm" => self.done(session, "confirm", &json!({})),
            "admin/uci/revert" => {
                let changes = self.uci(session, "changes", &json!({})).ok().flatten().unwrap_or_default();
                let configs = changes["changes"].as_object().into_iter().flatten().map(|(config, _)| config);
                let all: Result<Vec<_>, _> =
                    configs.map(|config| self.uci(session, "revert", &json!({ "config": config }))).collect();
                plain(all.map_or_else(code, |_| StatusCode::OK), "")
            }
            _ => {
                let sessions = lock(&self.sessions);
                let Some(open) = sessions.get(session) else { return plain(StatusCode::FORBIDDEN, "log in first") };
                match page::page(&self.parts.app, open, session, inner, language) {
                    Some(page) => typed("text/html; charset=UTF-8", page.into()),
                    None => plain(StatusCode::NOT_FOUND, "no such page"),
                }
            }
        }
    }

    async fn rpc(&self, body: &[u8]) -> Answer {
        match serde_json::from_slice(body) {
            Ok(request) => data(&self.answer(&request).await),
            Err(error) => plain(StatusCode::BAD_REQUEST, &error.to_string()),
        }
    }

    fn upload(&self, body: &[u8], boundary: &str) -> Answer {
        let fields = files::fields(body, boundary);
        let text = |name: &str| fields.iter().find(|(n, _)| n == name).and_then(|(_, v)| std::str::from_utf8(v).ok());
        let path = text("filename").unwrap_or_default();
        let is_allowed = self.with(text("sessionid").unwrap_or_default(), |session| {
            session.may("cgi-io", "upload", "write") && session.may("file", path, "write")
        });
        if !is_allowed {
            return plain(StatusCode::FORBIDDEN, "not allowed");
        }
        match files::upload(&self.parts.etc, &fields) {
            Ok(told) => data(&told),
            Err(status) => plain(code(status), &status.to_string()),
        }
    }

    /// What LuCI's controller of `admin/uci` does.
    fn uci(&self, session: &str, method: &str, arguments: &Value) -> Result<Option<Value>, Status> {
        if method != "confirm" && !self.with(session, |s| s.may("ubus", "uci", method) || method == "revert") {
            return Err(Status::PermissionDenied);
        }
        self.parts.router.uci_call(session, method, arguments)
    }

    fn done(&self, session: &str, method: &str, arguments: &Value) -> Answer {
        let status = self.uci(session, method, arguments).map_or_else(code, |_| StatusCode::OK);
        let status = if method == "apply" && status == StatusCode::OK { StatusCode::NO_CONTENT } else { status };
        plain(status, "")
    }

    fn file(&self, path: &str) -> Answer {
        let is_plain = path.starts_with("/luci-static/") && !path.contains("..");
        let found = self.parts.www.iter().map(|www| www.join(&path[1..])).find(|file| is_plain && file.is_file());
        let Some((file, bytes)) = found.and_then(|file| Some((file.clone(), std::fs::read(file).ok()?))) else {
            return plain(StatusCode::NOT_FOUND, "no such file");
        };
        let kind = match file.extension().and_then(|kind| kind.to_str()) {
            Some("js") => "text/javascript; charset=UTF-8",
            Some("css") => "text/css",
            Some("svg") => "image/svg+xml",
            Some("png") => "image/png",
            _ => "application/octet-stream",
        };
        typed(kind, bytes.into())
    }
}

fn code(status: Status) -> StatusCode {
    match status {
        Status::NoData => StatusCode::NO_CONTENT,
        Status::PermissionDenied => StatusCode::FORBIDDEN,
        Status::NotFound | Status::MethodNotFound => StatusCode::NOT_FOUND,
        Status::InvalidArgument | Status::InvalidCommand => StatusCode::BAD_REQUEST,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn data(value: &Value) -> Answer {
    typed("application/json", value.to_string().into())
}

fn plain(status: StatusCode, text: &str) -> Answer {
    let mut answer = typed("text/plain; charset=UTF-8", text.to_owned().into());
    *answer.status_mut() = status;
    answer
}

fn typed(kind: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    answer.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    answer
}
