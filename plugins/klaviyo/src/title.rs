//! What an event is called: the vendor's metric.

use std::borrow::Cow;

use switchyard_sdk::name;
use switchyard_sdk::prelude::*;
use switchyard_sdk::text::cut;

use crate::rules::METRIC_CHARACTERS_MAX;
use crate::settings::{Ecommerce, Klaviyo};
use crate::shop::{SHOP, Shop};

/// A metric, and the rules for its properties where it is one of the vendor's own.
#[derive(Clone, Debug)]
pub struct Title<'a> {
    pub metric: Cow<'a, str>,
    pub shop: Option<&'static Shop>,
    /// Of a page or screen, which has a name and a category beside its properties.
    pub is_page: bool,
}

impl<'a> Title<'a> {
    /// The metric of a track, a page or a screen.
    ///
    /// # Errors
    /// Why it has none.
    pub fn of(klaviyo: &'a Klaviyo, event: &Event<'a>) -> Result<Title<'a>, Refusal> {
        let kind = event.kind();
        let name = match kind {
            Kind::Page => match &klaviyo.page_event {
                Some(name) => name.filled_in(event),
                None => return Err(Refusal::Skip("type: pages are sent only where page_event is set")),
            },
            Kind::Screen => klaviyo.screen_event.filled_in(event),
            _ => event.event_name().as_filled_str().ok_or(Refusal::Reject("event: is missing"))?,
        };
        if kind == Kind::Track
            && klaviyo.ecommerce == Ecommerce::Klaviyo
            && let Some(shop) = name::lookup(SHOP, &name)
        {
            return Ok(Title { metric: Cow::Borrowed(shop.metric), shop: Some(shop), is_page: false });
        }
        Ok(Title { metric: fitting(name), shop: None, is_page: kind != Kind::Track })
    }
}

/// A name without what is blank around it, as long as the vendor takes it.
fn fitting(name: Cow<'_, str>) -> Cow<'_, str> {
    match name {
        Cow::Borrowed(name) => Cow::Borrowed(cut(name.trim(), METRIC_CHARACTERS_MAX).trim_end()),
        Cow::Owned(name) => Cow::Owned(cut(name.trim(), METRIC_CHARACTERS_MAX).trim_end().to_string()),
    }
}
