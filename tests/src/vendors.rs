//! What the real vendors accept and answer, as their documentation states it (shared/vendors). Pure:
//! a request in, an answer and a list of objections out.

mod amplitude;
mod braze;
mod customerio;
mod ga4;
pub mod hubspot;
mod klaviyo;
mod meta_capi;
mod mixpanel;
mod slack;
mod tiktok;

use crate::stand_in::Recorded;

/// A vendor's answer.
#[derive(Clone, Debug, Default)]
pub struct VendorAnswer {
    /// The status.
    pub status: u16,
    /// Headers to add.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// What is wrong with the request, even where the vendor answers 2xx.
    pub violations: Vec<String>,
}

/// The answer of the vendor that the path names.
pub fn answer(request: &Recorded) -> VendorAnswer {
    let path = request.path.as_str();
    match path {
        "/amplitude/2/httpapi" | "/amplitude/batch" => amplitude::events(request),
        "/amplitude/identify" => amplitude::identify(request),
        "/amplitude/groupidentify" => amplitude::group_identify(request),
        "/amplitude/usermap" => amplitude::user_map(request),
        "/braze/users/track" => braze::track(request),
        "/braze/users/identify" => braze::identify(request),
        "/braze/users/merge" => braze::merge(request),
        "/customerio/api/v2/batch" => customerio::batch(request),
        "/ga4/mp/collect" => ga4::answer(request),
        "/klaviyo/events" => klaviyo::event(request),
        "/klaviyo/event-bulk-create-jobs" => klaviyo::events(request),
        "/klaviyo/profile-import" => klaviyo::profile(request),
        "/klaviyo/profile-bulk-import-jobs" => klaviyo::profiles(request),
        "/klaviyo/profile-subscription-bulk-create-jobs" => klaviyo::subscribe(request),
        "/klaviyo/profile-subscription-bulk-delete-jobs" => klaviyo::unsubscribe(request),
        "/mixpanel/import" => mixpanel::import(request),
        "/mixpanel/track" => mixpanel::track(request),
        "/mixpanel/engage" | "/mixpanel/groups" => mixpanel::profiles(request),
        _ if path.starts_with("/hubspot/") => hubspot::answer(request),
        _ if path.starts_with("/meta-capi/") => meta_capi::events(request),
        _ if path.starts_with("/slack/") => slack::webhook(request),
        _ if path.starts_with("/tiktok/") => tiktok::track(request),
        _ if path.starts_with("/webhook") => webhook(request),
        _ => VendorAnswer {
            status: 404,
            body: format!("nothing stands in for {path}"),
            violations: vec![format!("no vendor has {} {path}", request.method)],
            ..VendorAnswer::default()
        },
    }
}

/// A receiver that takes one event or an array of events.
fn webhook(request: &Recorded) -> VendorAnswer {
    let mut violations = Vec::new();
    if !request.json().is_object() && !request.json().is_array() {
        violations.push("the body is neither an object nor an array".to_string());
    }
    if !header_is(request, "content-type", "application/json") {
        violations.push("the content type is not application/json".to_string());
    }
    VendorAnswer { status: 200, body: "ok".to_string(), violations, ..VendorAnswer::default() }
}

/// Whether a header's value begins so.
fn header_is(request: &Recorded, name: &str, value: &str) -> bool {
    request.header(name).is_some_and(|found| found.starts_with(value))
}

/// The first value of a query parameter, as it stands there.
fn query<'a>(request: &'a Recorded, name: &str) -> Option<&'a str> {
    request
        .query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

#[cfg(test)]
pub(crate) fn request(path: &str, query: &str, headers: &[(&str, &str)], body: &str) -> Recorded {
    Recorded {
        at_ms: 0,
        method: "POST".to_string(),
        path: path.to_string(),
        query: query.to_string(),
        headers: headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        body: bytes::Bytes::copy_from_slice(body.as_bytes()),
        status: 0,
        violations: Vec::new(),
    }
}
