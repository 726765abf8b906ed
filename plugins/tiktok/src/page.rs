//! The page on which an event took place, and what its address tells.

use switchyard_sdk::prelude::*;
use switchyard_sdk::url::query_value;

use crate::members::Properties;
use crate::values::{object, text};

/// A page's address and what led to it.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    url: Option<Value<'a>>,
    referrer: Option<Value<'a>>,
}

impl<'a> Page<'a> {
    /// `context.page`; a page call may say it in its properties. Those of other events may have the
    /// address of a product.
    pub fn of(event: &Event<'a>, of_context: Option<Value<'a>>, properties: &Properties<'a>) -> Page<'a> {
        let part = |key: &str, own: Option<Value<'a>>| {
            let own = own.filter(|value| event.kind() == Kind::Page && value.is_string());
            own.or_else(|| of_context.map(|page| page.child(key))).filter(Value::is_string)
        };
        let is_address =
            |url: &Value<'a>| url.quoted().is_some_and(|quoted| quoted.windows(3).any(|part| part == b"://"));
        Page { url: part("url", properties.url).filter(is_address), referrer: part("referrer", properties.referrer) }
    }

    /// The click that led to the page. Source: tiktok-conversions, utils.ts.
    pub fn click_id(&self) -> Option<String> {
        let url = self.url.filter(|url| url.quoted().is_some_and(|quoted| quoted.contains(&b'?')))?.as_str()?;
        let id = query_value(&url, "ttclid")?.trim().to_string();
        Some(id).filter(|id| !id.is_empty())
    }

    /// Writes `page`, when there is something to it.
    pub fn write(&self, json: &mut JsonWriter) {
        object(key!("page"), json, |json| {
            text(key!("url"), self.url, json);
            text(key!("referrer"), self.referrer, json);
        });
    }
}
