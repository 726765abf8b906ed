//! What a form sends: fields as text, and a file where there is one.

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;

use crate::admin::plugins::PLUGIN_BYTES_MAX;
use crate::admin::{Failure, pairs_of};

/// Bytes of a form without a file: a whole configuration's rules fit in.
const FORM_BYTES_MAX: usize = 2 << 20;

/// Bytes around a file: the other fields and the boundaries.
const AROUND_BYTES_MAX: usize = 64 << 10;

/// Whether a form may bring a file.
pub fn has_file(request: &Request<Incoming>) -> bool {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|content_type| content_type.starts_with("multipart/form-data"))
}

/// Reads a form's fields.
///
/// # Errors
/// When it is too large, or no form.
pub async fn read(request: Request<Incoming>) -> Result<Vec<(String, String)>, Failure> {
    let bytes = whole(request, FORM_BYTES_MAX).await?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Failure::bad("bad_form", "the form is not UTF-8"))?;
    Ok(pairs_of(text).collect())
}

/// Reads a form with a file: the fields, and the file's bytes.
///
/// # Errors
/// When it is too large, or no such form.
pub async fn read_with_file(request: Request<Incoming>) -> Result<(Vec<(String, String)>, Bytes), Failure> {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = content_type.split_once("boundary=").map(|(_, boundary)| boundary.trim_matches('"').to_string());
    let boundary = boundary.ok_or_else(|| Failure::bad("bad_form", "the form has no file"))?;
    let bytes = whole(request, PLUGIN_BYTES_MAX + AROUND_BYTES_MAX).await?;
    Ok(parts(&bytes, &boundary))
}

async fn whole(request: Request<Incoming>, bytes_max: usize) -> Result<Bytes, Failure> {
    let collected = Limited::new(request.into_body(), bytes_max).collect().await;
    let failed = |error| {
        Failure::bad("bad_form", format!("the form cannot be read, or is larger than {bytes_max} bytes: {error}"))
    };
    collected.map(|collected| collected.to_bytes()).map_err(failed)
}

/// The parts of `multipart/form-data`: texts, and the bytes of the one that is a file.
fn parts(bytes: &Bytes, boundary: &str) -> (Vec<(String, String)>, Bytes) {
    let mark = format!("--{boundary}");
    let finder = memchr::memmem::Finder::new(mark.as_bytes());
    let starts: Vec<usize> = finder.find_iter(bytes).collect();
    let (mut fields, mut file) = (Vec::new(), Bytes::new());
    for pair in starts.windows(2) {
        let part = bytes.slice(pair[0] + mark.len()..pair[1]);
        let Some(at) = memchr::memmem::find(&part, b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&part[..at]).into_owned();
        let content = part.slice(at + 4..part.len().saturating_sub(2).max(at + 4));
        let name = head.split_once(" name=\"").and_then(|(_, rest)| rest.split_once('"')).map(|(name, _)| name);
        match (name, head.contains("filename=")) {
            (Some(_), true) => file = content,
            (Some(name), false) => fields.push((name.to_string(), String::from_utf8_lossy(&content).into_owned())),
            (None, _) => {}
        }
    }
    (fields, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_with_a_file() {
        let body = "--X\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\nabc\r\n--X\r\n\
                    Content-Disposition: form-data; name=\"file\"; filename=\"a.wasm\"\r\nContent-Type: application/wasm\r\n\r\n\0asm\r\n\r\nz\r\n--X--\r\n";
        let (fields, file) = parts(&Bytes::from(body), "X");
        assert_eq!(fields, [("csrf".to_string(), "abc".to_string())]);
        assert_eq!(&file[..], b"\0asm\r\n\r\nz");
        for cut in 0..body.len() {
            parts(&Bytes::from(&body[..cut]), "X");
        }
    }
}
