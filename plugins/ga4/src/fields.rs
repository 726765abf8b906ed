//! The fields that every event is asked for. Each object is walked once for all of them, which is
//! cheaper than a walk for each.

use switchyard_sdk::prelude::*;

/// An event's properties.
#[derive(Clone, Copy)]
pub struct Properties<'a> {
    pub all: Value<'a>,
    pub session_id: Value<'a>,
    pub engagement_time_msec: Value<'a>,
    pub products: Value<'a>,
    pub items: Value<'a>,
    pub currency: Value<'a>,
    pub value: Value<'a>,
    pub total: Value<'a>,
    pub revenue: Value<'a>,
}

impl<'a> Properties<'a> {
    /// Finds them.
    #[inline]
    pub fn of(event: &Event<'a>) -> Properties<'a> {
        let all = event.properties();
        let [session_id, engagement_time_msec, products, items, currency, value, total, revenue] = all.members([
            "session_id",
            "engagement_time_msec",
            "products",
            "items",
            "currency",
            "value",
            "total",
            "revenue",
        ]);
        Properties { all, session_id, engagement_time_msec, products, items, currency, value, total, revenue }
    }
}

/// What of an event's context is sent.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub ip: Value<'a>,
    pub user_agent: Value<'a>,
    pub traits: Value<'a>,
    pub campaign: Value<'a>,
    pub client_ids: Value<'a>,
}

impl<'a> Context<'a> {
    /// Finds them.
    #[inline]
    pub fn of(event: &Event<'a>) -> Context<'a> {
        let keys = ["ip", "userAgent", "traits", "campaign", "clientIds"];
        let [ip, user_agent, traits, campaign, client_ids] = event.context().members(keys);
        Context { ip, user_agent, traits, campaign, client_ids }
    }
}
