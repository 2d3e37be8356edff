//! The console's own files: one style, one script, built in.
//!
//! Each is named by its digest, so that a browser may keep it for good and never has the wrong one.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use ring::digest::{SHA256, digest};

use crate::token::hex;

/// A file.
#[derive(Debug)]
pub(crate) struct Asset {
    name: String,
    kind: &'static str,
    text: String,
}

/// How everything looks; what is on the phone of a preview looks as on a phone.
pub(crate) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    let text = [include_str!("../../static/console.css"), crate::message::STYLE].concat();
    Asset::new("css", "text/css; charset=utf-8", text)
});
/// What makes it quicker; everything works without it.
pub(crate) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("js", "text/javascript; charset=utf-8", include_str!("../../static/console.js").to_owned())
});

impl Asset {
    fn new(ending: &str, kind: &'static str, text: String) -> Self {
        let digest = digest(&SHA256, text.as_bytes());
        let name = format!("console-{}.{ending}", hex(&digest.as_ref()[..8]));
        Self { name, kind, text }
    }

    /// What is in it.
    #[cfg(test)]
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Its name below `/static/`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// The file of this name.
pub(crate) fn answer(name: &str) -> Option<Response> {
    let asset = [&*STYLE, &*SCRIPT].into_iter().find(|asset| asset.name == name)?;
    let headers = [
        (CONTENT_TYPE, asset.kind),
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Some((headers, asset.text.as_str()).into_response())
}
