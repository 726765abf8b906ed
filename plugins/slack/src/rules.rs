//! The vendor's tables: bounds, what is said of each event by default, and what its errors mean.

use switchyard_sdk::Kind;

/// Characters of a section's text and of a line below it. One that is longer spoils the message
/// (`invalid_blocks`), so it is cut. Source: reference/block-kit/composition-objects/text-object.
pub const BLOCK_CHARACTERS_MAX: usize = 3_000;
/// Blocks of a message. Source: reference/block-kit/blocks.
pub const BLOCKS_MAX: usize = 50;
/// Characters of a message's text; the vendor cuts what is longer. Source: changelog/2018-04.
pub const TEXT_CHARACTERS_MAX: usize = 40_000;

/// Bytes of texts in one message's blocks beyond which no further event joins. The vendor refuses
/// messages whose blocks have some 13,000 characters (`msg_blocks_too_long`) and documents no bound.
/// Source: slackapi/bolt-js, issues 2509 and 2867.
pub const BLOCKS_JOINED_BYTES_MAX: usize = 10_000;
/// The same of a message that is a text: the vendor advises 4,000 characters, and shows what is longer
/// as several messages. Source: changelog/2018-04.
pub const TEXT_JOINED_BYTES_MAX: usize = 4_000;

/// Products of an order that a message names; of the others it says how many they are.
pub const PRODUCTS_SHOWN_MAX: usize = 10;

/// Which text an event has by default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Said {
    Track,
    Identify,
    Page,
    Screen,
    Group,
    Alias,
    Order,
    Product,
    List,
    Search,
    Promotion,
    Cart,
    Step,
    Coupon,
    Wishlist,
    Share,
    Review,
}

/// The default texts, in the order of [`Said`]. Source for track and identify: RudderStack's destination.
pub const TEXTS: [(Said, &str); 17] = [
    (Said::Track, "*{{name | 'Somebody'}}* did {{event}}"),
    (Said::Identify, "Identified *{{name | 'somebody'}}*[[: {{traits}}]]"),
    (Said::Page, "*{{name | 'Somebody'}}* viewed {{event | 'a page'}}"),
    (Said::Screen, "*{{name | 'Somebody'}}* viewed {{event | 'a screen'}}"),
    (Said::Group, "*{{name | 'Somebody'}}* joined {{traits.name | groupId | 'a group'}}"),
    (Said::Alias, "{{previousId | 'Somebody'}} is now known as {{userId | anonymousId | 'somebody'}}"),
    (
        Said::Order,
        "*{{event}}*[[ {{properties.order_id}}]][[: {{value}}[[ {{currency}}]]]][[ by {{name}}]][[\n{{products}}]]",
    ),
    (Said::Product, "*{{event}}*[[: {{product}}]][[, {{value}}[[ {{currency}}]]]][[ by {{name}}]]"),
    (Said::List, "*{{event}}*[[: {{properties.category | properties.list_id}}]][[ by {{name}}]]"),
    (Said::Search, "*{{event}}*[[: {{properties.query}}]][[ by {{name}}]]"),
    (Said::Promotion, "*{{event}}*[[: {{properties.name | properties.promotion_id}}]][[ by {{name}}]]"),
    (Said::Cart, "*{{event}}*[[ {{properties.cart_id}}]][[ by {{name}}]][[\n{{products}}]]"),
    (
        Said::Step,
        "*{{event}}*[[ {{properties.step}}]][[: {{properties.payment_method | properties.shipping_method}}]][[ by {{name}}]]",
    ),
    (
        Said::Coupon,
        "*{{event}}*[[: {{properties.coupon_name | properties.coupon_id}}]][[, {{properties.reason}}]][[ by {{name}}]]",
    ),
    (Said::Wishlist, "*{{event}}*[[: {{product}}]][[ ({{properties.wishlist_name}})]][[ by {{name}}]]"),
    (Said::Share, "*{{event}}*[[: {{product | products}}]][[ via {{properties.share_via}}]][[ by {{name}}]]"),
    (
        Said::Review,
        "*{{event}}*[[: {{product}}]][[, rated {{properties.rating}}]][[ by {{name}}]][[\n{{properties.review_body}}]]",
    ),
];

/// The text of a kind of events; of a track event where [`EVENTS`] has none.
pub fn said_of(kind: Kind) -> Said {
    match kind {
        Kind::Identify => Said::Identify,
        Kind::Page => Said::Page,
        Kind::Screen => Said::Screen,
        Kind::Group => Said::Group,
        Kind::Alias => Said::Alias,
        Kind::Track | Kind::Other => Said::Track,
    }
}

/// E-commerce events, in lower case. Source: the Segment specification, e-commerce v2, and the names
/// that v1 had.
pub const EVENTS: &[(&str, Said)] = &[
    ("products searched", Said::Search),
    ("product list viewed", Said::List),
    ("product list filtered", Said::List),
    ("promotion viewed", Said::Promotion),
    ("promotion clicked", Said::Promotion),
    ("product clicked", Said::Product),
    ("product viewed", Said::Product),
    ("product added", Said::Product),
    ("product removed", Said::Product),
    ("cart viewed", Said::Cart),
    ("checkout started", Said::Order),
    ("checkout step viewed", Said::Step),
    ("checkout step completed", Said::Step),
    ("payment info entered", Said::Step),
    ("order completed", Said::Order),
    ("order updated", Said::Order),
    ("order cancelled", Said::Order),
    ("order refunded", Said::Order),
    ("coupon entered", Said::Coupon),
    ("coupon applied", Said::Coupon),
    ("coupon denied", Said::Coupon),
    ("coupon removed", Said::Coupon),
    ("product added to wishlist", Said::Wishlist),
    ("product removed from wishlist", Said::Wishlist),
    ("wishlist product added to cart", Said::Wishlist),
    ("product shared", Said::Share),
    ("cart shared", Said::Share),
    ("product reviewed", Said::Review),
    ("viewed product", Said::Product),
    ("added product", Said::Product),
    ("removed product", Said::Product),
    ("completed order", Said::Order),
    ("viewed product category", Said::List),
    ("viewed promotion", Said::Promotion),
    ("clicked promotion", Said::Promotion),
];

/// What an error says of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum About {
    /// The message: another one may pass.
    Message,
    /// The webhook: nothing passes until somebody mends it.
    Webhook,
    /// The vendor's moment: the same message passes later.
    Moment,
}

/// The vendor's errors: the whole body of an answer is one of these words. Which status comes with a
/// word has changed over the years, so the word decides. Source: the page on incoming webhooks, and
/// changelog/2016-05-17.
pub const ERRORS: &[(&str, About, &str)] = &[
    ("invalid_payload", About::Message, "the vendor cannot read the message"),
    ("invalid_blocks", About::Message, "the vendor does not take the message's blocks"),
    ("invalid_blocks_format", About::Message, "the vendor does not take the message's blocks"),
    ("invalid_attachments", About::Message, "the vendor does not take the message's attachments"),
    ("msg_blocks_too_long", About::Message, "the message is too long"),
    ("msg_too_long", About::Message, "the message is too long"),
    ("no_text", About::Message, "the message has no text"),
    ("missing_text_or_fallback_or_attachments", About::Message, "the message has no text"),
    ("too_many_attachments", About::Message, "the message has more than 100 attachments"),
    ("user_not_found", About::Message, "the user that `channel` names does not exist"),
    ("action_prohibited", About::Webhook, "an admin of the workspace does not allow it to post there"),
    ("posting_to_general_channel_denied", About::Webhook, "an admin does not allow it to post to #general"),
    ("channel_not_found", About::Webhook, "its channel does not exist, or is private and it was not invited"),
    ("channel_is_archived", About::Webhook, "its channel is archived"),
    ("invalid_token", About::Webhook, "its URL is no longer valid: make a new one"),
    ("no_active_hooks", About::Webhook, "it is disabled: make a new one"),
    ("no_service", About::Webhook, "it is disabled or removed: make a new one"),
    ("no_service_id", About::Webhook, "its URL is not complete"),
    ("no_team", About::Webhook, "its workspace does not exist"),
    ("team_disabled", About::Webhook, "its workspace is no longer active"),
    ("rate_limited", About::Moment, "too many messages"),
    ("ratelimited", About::Moment, "too many messages"),
    ("rollup_error", About::Moment, "the vendor has a fault"),
    ("service_unavailable", About::Moment, "the vendor has a fault"),
];

/// The wait after a 429 that does not say how long: the vendor's own pace.
pub const RETRY_AFTER_MS: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::TEXTS;

    #[test]
    fn the_texts_are_in_their_order() {
        assert!(TEXTS.iter().enumerate().all(|(place, (said, _))| *said as usize == place));
    }
}
