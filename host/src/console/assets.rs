//! The style sheet, the script and the icon: part of the program, with a hash in their names, so that
//! browsers keep them until they change.

use std::sync::LazyLock;

use hyper::header::{CACHE_CONTROL, HeaderValue};
use hyper::{Response, StatusCode};
use sha2::{Digest, Sha256};

use crate::http::{self, Body};

/// One asset.
struct Asset {
    /// With its hash.
    name: String,
    content_type: &'static str,
    content: &'static str,
}

static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("console", "css", "text/css; charset=utf-8", include_str!("assets/console.css")));
static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("console", "js", "text/javascript; charset=utf-8", include_str!("assets/console.js")));
static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_str!("assets/icon.svg")));

impl Asset {
    fn new(stem: &str, ending: &str, content_type: &'static str, content: &'static str) -> Asset {
        let hash: String = Sha256::digest(content)[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        Asset { name: format!("{stem}-{hash}.{ending}"), content_type, content }
    }

    fn address(&self) -> String {
        format!("/assets/{}", self.name)
    }
}

/// Where the style sheet is.
pub fn style() -> String {
    STYLE.address()
}

/// Where the script is.
pub fn script() -> String {
    SCRIPT.address()
}

/// Where the icon is.
pub fn icon() -> String {
    ICON.address()
}

/// Answers with an asset. None of them is a secret.
pub fn serve(name: &str) -> Response<Body> {
    let Some(asset) = [&STYLE, &SCRIPT, &ICON].into_iter().find(|asset| asset.name == name) else {
        return http::whole(StatusCode::NOT_FOUND, "text/plain", "there is no such asset");
    };
    let mut response = http::whole(StatusCode::OK, asset.content_type, asset.content);
    let caching = HeaderValue::from_static("public, max-age=31536000, immutable");
    response.headers_mut().insert(CACHE_CONTROL, caching);
    response
}
