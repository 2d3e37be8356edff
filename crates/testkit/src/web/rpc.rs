//! `POST /ubus`: JSON-RPC as uhttpd speaks it, and the objects that are played here.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_ubus::{Error, Status};

use super::session::Session;
use super::{Web, files, lock};

/// Of an answer on the bus.
const LIMIT: Duration = Duration::from_secs(20);
/// A session that nobody has opened.
const NOBODY: &str = "00000000000000000000000000000000";

impl Web {
    /// One request, or several in an array.
    pub(super) async fn answer(&self, request: &Value) -> Value {
        match request {
            Value::Array(requests) => {
                let mut answers = Vec::new();
                for request in requests {
                    answers.push(self.answer_one(request).await);
                }
                Value::Array(answers)
            }
            request => self.answer_one(request).await,
        }
    }

    async fn answer_one(&self, request: &Value) -> Value {
        let told = |key: &str, value: Value| json!({ "jsonrpc": "2.0", "id": request["id"], key: value });
        if request["method"] == "list" {
            return told("result", json!({}));
        }
        let [Value::String(session), Value::String(object), Value::String(method), arguments] =
            request["params"].as_array().map_or(&[][..], Vec::as_slice)
        else {
            return told("error", json!({ "code": -32600, "message": "Invalid request" }));
        };
        (self.parts.tell)(&json!({ "object": object, "method": method, "arguments": arguments }));
        let opens = (object.as_str(), method.as_str()) == ("session", "login");
        if !opens && !self.with(session, |s| s.may("ubus", object, method)) {
            return told("error", json!({ "code": -32002, "message": "Access denied" }));
        }
        let result = match self.call(session, object, method, arguments).await {
            Ok(None) => json!([0]),
            Ok(Some(data)) => json!([0, data]),
            Err(status) => json!([status.code()]),
        };
        told("result", result)
    }

    async fn call(&self, id: &str, object: &str, method: &str, arguments: &Value) -> Result<Option<Value>, Status> {
        let text = |key: &str| arguments[key].as_str().unwrap_or_default();
        match (object, method) {
            ("session", "login") => {
                let session = Session::open(text("username"), &self.parts.app).ok_or(Status::PermissionDenied)?;
                let uuid = std::fs::read_to_string("/proc/sys/kernel/random/uuid").map_err(|_| Status::SystemError)?;
                let id = uuid.trim().replace('-', "");
                lock(&self.sessions).insert(id.clone(), session);
                Ok(Some(json!({ "ubus_rpc_session": id })))
            }
            ("session", "access") => {
                let may = self.with(id, |s| s.may(text("scope"), text("object"), text("function")));
                Ok(Some(json!({ "access": may })))
            }
            ("luci", "getFeatures") => Ok(Some(json!({}))),
            ("log", "read") => Ok(Some(json!({ "log": *lock(&self.log) }))),
            ("file", _) if !self.with(id, |s| s.may("file", text("path"), files::right(method))) => {
                Err(Status::PermissionDenied)
            }
            ("file", _) => files::call(&self.parts.etc, method, text("path")).map(Some),
            ("uci", "apply" | "confirm" | "rollback" | "configs") => self.parts.router.uci_call(id, method, arguments),
            ("uci", "changes") if arguments["config"].is_null() => self.parts.router.uci_call(id, method, arguments),
            ("uci", _) => {
                let writes = !matches!(method, "get" | "changes");
                let right = if writes { "write" } else { "read" };
                if !self.with(id, |s| s.may("uci", text("config"), right)) {
                    return Err(Status::PermissionDenied);
                }
                self.parts.router.uci_call(id, method, arguments)
            }
            _ => {
                // As uhttpd adds it.
                let mut arguments = arguments.as_object().cloned().unwrap_or_default();
                arguments.insert("ubus_rpc_session".to_owned(), json!(id));
                match self.parts.bus.call(object, method, &arguments, LIMIT).await {
                    Ok(answer) => answer.read().map(Some).map_err(|_| Status::UnknownError),
                    Err(Error::Refused(status)) => Err(status),
                    Err(Error::Timeout) => Err(Status::Timeout),
                    Err(_) => Err(Status::ConnectionFailed),
                }
            }
        }
    }

    /// Asks a session something; one that nobody has opened may nothing.
    pub(super) fn with(&self, id: &str, what: impl FnOnce(&Session) -> bool) -> bool {
        id != NOBODY && lock(&self.sessions).get(id).is_some_and(what)
    }
}
