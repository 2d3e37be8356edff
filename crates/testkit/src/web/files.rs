//! rpcd's object `file` and `cgi-upload`, for one directory of the router.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde_json::{Value, json};
use tokio_ubus::Status;

/// Where it is on a router.
const ON_ROUTER: &str = "/etc/welcomed";

/// The right that a method takes.
pub(super) fn right(method: &str) -> &'static str {
    match method {
        "list" | "stat" => "list",
        "remove" => "write",
        _ => "read",
    }
}

pub(super) fn call(etc: &Path, method: &str, path: &str) -> Result<Value, Status> {
    let here = below(etc, path)?;
    match method {
        "list" => {
            let entries = std::fs::read_dir(&here).map_err(|_| Status::NotFound)?.flatten();
            let entries: Vec<_> = entries.filter_map(|entry| describe(&entry.path(), &entry.file_name())).collect();
            Ok(json!({ "entries": entries }))
        }
        "stat" => {
            let mut told = describe(&here, Path::new(path).as_os_str()).ok_or(Status::NotFound)?;
            told["path"] = json!(path);
            Ok(told)
        }
        "remove" => std::fs::remove_file(here).map(|()| json!({})).map_err(|_| Status::NotFound),
        _ => Err(Status::MethodNotFound),
    }
}

/// Writes what was sent. The body is `multipart/form-data` with the fields `filename` and `filedata`.
pub(super) fn upload(etc: &Path, fields: &[(String, Vec<u8>)]) -> Result<Value, Status> {
    let field = |name: &str| fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_slice());
    let (Some(path), Some(data)) = (field("filename"), field("filedata")) else { return Err(Status::InvalidArgument) };
    let path = std::str::from_utf8(path).map_err(|_| Status::InvalidArgument)?;
    std::fs::write(below(etc, path)?, data).map_err(|_| Status::SystemError)?;
    Ok(json!({ "size": data.len() }))
}

/// The fields of a form, by name.
pub(super) fn fields(body: &[u8], boundary: &str) -> Vec<(String, Vec<u8>)> {
    let mark = format!("--{boundary}").into_bytes();
    let ends: Vec<_> = (0..body.len()).filter(|at| body[*at..].starts_with(&mark)).collect();
    let part = |pair: &[usize]| {
        let part = &body[pair[0] + mark.len()..pair[1]];
        let head = part.windows(4).position(|w| w == b"\r\n\r\n")?;
        let name = String::from_utf8_lossy(&part[..head]).split_once("name=\"")?.1.split('"').next()?.to_owned();
        Some((name, part[head + 4..part.len().saturating_sub(2).max(head + 4)].to_vec()))
    };
    ends.windows(2).filter_map(part).collect()
}

fn below(etc: &Path, path: &str) -> Result<PathBuf, Status> {
    let rest = path.strip_prefix(ON_ROUTER).ok_or(Status::NotFound)?.trim_start_matches('/');
    if rest.split('/').any(|part| part == "..") {
        return Err(Status::PermissionDenied);
    }
    Ok(etc.join(rest))
}

fn describe(path: &Path, name: &std::ffi::OsStr) -> Option<Value> {
    let data = path.metadata().ok()?;
    let kind = if data.is_dir() { "directory" } else { "file" };
    let seconds = data.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(json!({ "name": name.to_string_lossy(), "type": kind, "size": data.len(), "mtime": seconds, "mode": 0o600 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_taken_apart_and_no_file_is_written_elsewhere() {
        let body = b"--x\r\nContent-Disposition: form-data; name=\"filename\"\r\n\r\n/etc/welcomed/a\r\n\
                     --x\r\nContent-Disposition: form-data; name=\"filedata\"; filename=\"f\"\r\n\r\n\x00\r\n\x01\r\n--x--\r\n";
        let fields = fields(body, "x");
        assert_eq!(fields[1], ("filedata".to_owned(), b"\x00\r\n\x01".to_vec()));
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(upload(dir.path(), &fields), Ok(json!({ "size": 4 })));
        assert_eq!(call(dir.path(), "list", "/etc/welcomed").unwrap()["entries"][0]["name"], "a");
        for path in ["/etc/passwd", "/etc/welcomed/../passwd"] {
            assert!(upload(dir.path(), &[("filename".into(), path.into()), ("filedata".into(), vec![])]).is_err());
        }
    }
}
