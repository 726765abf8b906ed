//! The vendor's tables: bounds, addresses, reserved names, and what each field is called there.

use switchyard_sdk::Key;
use switchyard_sdk::key;

use crate::names::Names;

/// Objects in a request over all three lists. Source: post_user_track, api_limits. Older contracts
/// have so many in each list.
pub const OBJECTS_MAX: usize = 75;
/// Aliases in a request to /users/identify, and merges in one to /users/merge.
pub const JOINS_MAX: usize = 50;
/// Bytes of a request. The vendor names no bound; RudderStack keeps this one.
pub const BODY_BYTES_MAX: usize = 4_000_000;
/// What an object has beside what is copied from the event: names, ids and times, generously.
pub const OBJECT_BYTES: usize = 1_024;
/// Purchases of one order, ten requests: more are no order.
pub const PURCHASES_MAX: usize = 750;
/// Units in a purchase. Source: purchase_object.
pub const QUANTITY_MAX: u64 = 100;
/// Bytes of an external_id. Source: post_user_track, EXTERNAL_USER_ID_TOO_LARGE.
pub const EXTERNAL_ID_BYTES_MAX: usize = 987;
/// Characters of a name: of an event, of a property, of an attribute, of a product. Source:
/// event_object, purchase_object.
pub const NAME_CHARACTERS_MAX: usize = 255;
/// Characters of a text in properties and attributes. Source: event_object, data_types.
pub const TEXT_CHARACTERS_MAX: usize = 255;
/// Properties of an event or purchase. Source: custom_event_properties.
pub const PROPERTIES_MAX: usize = 256;
/// Bytes of the properties of an event or purchase, and of an attribute that is no scalar. Source:
/// recommended_events, nested_custom_attribute_support, data_types.
pub const PROPERTIES_BYTES_MAX: usize = 102_400;
/// The longest wait that an answer may ask for, in milliseconds: the vendor counts by the hour.
pub const WAIT_MS_MAX: u64 = 3_600_000;

/// Instances and their addresses. Source: api/basics, endpoints.
pub const INSTANCES: &[(&str, &str)] = &[
    ("US-01", "https://rest.iad-01.braze.com"),
    ("US-02", "https://rest.iad-02.braze.com"),
    ("US-03", "https://rest.iad-03.braze.com"),
    ("US-04", "https://rest.iad-04.braze.com"),
    ("US-05", "https://rest.iad-05.braze.com"),
    ("US-06", "https://rest.iad-06.braze.com"),
    ("US-07", "https://rest.iad-07.braze.com"),
    ("US-08", "https://rest.iad-08.braze.com"),
    ("US-09", "https://rest.us-09.braze.com"),
    ("US-10", "https://rest.us-10.braze.com"),
    ("EU-01", "https://rest.fra-01.braze.eu"),
    ("EU-02", "https://rest.fra-02.braze.eu"),
    ("AU-01", "https://rest.au-01.braze.com"),
    ("ID-01", "https://rest.id-01.braze.com"),
    ("JP-01", "https://rest.jp-01.braze.com"),
];

/// Names under which senders give an alias, a braze_id or an app in `integrations`. Source: the names
/// of the vendor at Segment and RudderStack.
pub const INTEGRATIONS: &[&str] = &["Braze", "BRAZE", "braze", "Braze Cloud Mode (Actions)", "Appboy"];

/// Whether no property of an event may be called so: the vendor refuses the event. Source:
/// event_object, reserved keys.
pub fn is_reserved_in_event(name: &[u8]) -> bool {
    matches!(name, b"time" | b"event_name")
}

/// The same of a purchase. Source: purchase_events, reserved keys.
pub fn is_reserved_in_purchase(name: &[u8]) -> bool {
    matches!(name, b"time" | b"event_name" | b"product_id" | b"quantity" | b"price" | b"currency")
}

/// Whether a trait may not set an attribute of that name: who somebody is comes from the event and the
/// settings (two ids in an object, and it is refused), and what steers the request too. Of names that
/// begin with a dollar sign the vendor knows two, which have their own rows. Source:
/// user_attributes_object, post_user_track.
pub fn is_reserved_attribute(name: &str) -> bool {
    name.starts_with('$')
        || matches!(
            name,
            "_merge_objects"
                | "_update_existing_only"
                | "alias_label"
                | "alias_name"
                | "braze_id"
                | "email_subscription_info"
                | "external_id"
                | "push_token_import"
                | "user_alias"
        )
}

/// Names in nested attributes that may have a dollar sign. Source: nested_custom_attribute_support,
/// array_of_objects.
pub const NESTED_OPERATORS: &[&[u8]] =
    &[b"$time", b"$add", b"$update", b"$remove", b"$identifier_key", b"$identifier_value", b"$new_object"];

/// What a profile field must be. What it is not, and cannot be made, is left out: the vendor refuses the
/// whole object for it, or keeps nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Field {
    /// A text that is not blank, or a number as one.
    Text,
    /// An e-mail address.
    Email,
    /// A phone number in E.164.
    Phone,
    /// A date, `YYYY-MM-DD`.
    Date,
    /// A time in ISO 8601.
    Time,
    /// M, F, O, N or P.
    Gender,
    /// Two letters of a country.
    Country,
    /// Two letters of a language.
    Language,
    /// True or false.
    Bool,
    /// opted_in, subscribed or unsubscribed.
    Subscription,
    /// A list of groups with their states.
    SubscriptionGroups,
    /// A place on earth.
    Location,
    /// A list of tokens with their apps.
    PushTokens,
    /// An object.
    Object,
}

/// A field of a profile: the vendor's name, what it must be, and the traits that it comes from.
pub struct Place {
    pub to: Key,
    pub is: Field,
    pub from: &'static [&'static str],
}

const fn place(to: Key, is: Field, from: &'static [&'static str]) -> Place {
    Place { to, is, from }
}

/// The fields that the vendor has a place for; all other traits are custom attributes. Source:
/// user_attributes_object; the two of Google: audience sync to Google.
pub const PROFILE: &[Place] = &[
    place(key!("email"), Field::Email, &["email"]),
    place(key!("phone"), Field::Phone, &["phone"]),
    place(key!("first_name"), Field::Text, &["firstName", "first_name", "firstname"]),
    place(key!("last_name"), Field::Text, &["lastName", "last_name", "lastname"]),
    place(key!("dob"), Field::Date, &["birthday", "birthdate", "birth_date", "dob"]),
    place(key!("gender"), Field::Gender, &["gender"]),
    place(key!("home_city"), Field::Text, &["city", "home_city"]),
    place(key!("country"), Field::Country, &["country"]),
    place(key!("language"), Field::Language, &["language", "locale"]),
    place(key!("time_zone"), Field::Text, &["timezone", "time_zone"]),
    place(key!("image_url"), Field::Text, &["avatar", "image_url"]),
    place(key!("email_subscribe"), Field::Subscription, &["email_subscribe"]),
    place(key!("push_subscribe"), Field::Subscription, &["push_subscribe"]),
    place(key!("subscription_groups"), Field::SubscriptionGroups, &["subscription_groups"]),
    place(key!("email_open_tracking_disabled"), Field::Bool, &["email_open_tracking_disabled"]),
    place(key!("email_click_tracking_disabled"), Field::Bool, &["email_click_tracking_disabled"]),
    place(key!("marked_email_as_spam_at"), Field::Time, &["marked_email_as_spam_at"]),
    place(key!("date_of_first_session"), Field::Time, &["date_of_first_session"]),
    place(key!("date_of_last_session"), Field::Time, &["date_of_last_session"]),
    place(key!("current_location"), Field::Location, &["current_location"]),
    place(key!("push_tokens"), Field::PushTokens, &["push_tokens"]),
    place(key!("facebook"), Field::Object, &["facebook"]),
    place(key!("twitter"), Field::Object, &["twitter"]),
    place(key!("$google_ad_user_data"), Field::Bool, &["$google_ad_user_data"]),
    place(key!("$google_ad_personalization"), Field::Bool, &["$google_ad_personalization"]),
];

/// Genders, in lower case. Source: user_attributes_object, and the words of Segment and RudderStack.
pub const GENDERS: &[(&str, &str)] = &[
    ("m", "M"),
    ("male", "M"),
    ("man", "M"),
    ("f", "F"),
    ("female", "F"),
    ("w", "F"),
    ("woman", "F"),
    ("o", "O"),
    ("other", "O"),
    ("n", "N"),
    ("not applicable", "N"),
    ("p", "P"),
    ("prefer not to say", "P"),
];

/// Events that are orders, in lower case, versions 2 and 1 of the specification.
pub const ORDERS: &[(&str, ())] = &[("order completed", ()), ("completed order", ())];

/// What a field of a recommended event must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Is {
    /// A text; numbers are written as one.
    Text,
    /// A number of 0 or more; texts that are numbers are written as one.
    Money,
    /// The same; of a negative number what is behind the sign.
    Amount,
    /// A whole number of 1 or more.
    Quantity,
    /// A list.
    List,
}

/// A field of a recommended event, or of a product in one, and the properties that it comes from.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    pub to: Key,
    pub from: &'static [&'static str],
    pub is: Is,
    /// The vendor drops the whole event without it.
    pub is_required: bool,
    /// The JSON that stands in for it.
    pub otherwise: Option<&'static str>,
}

const fn needs(to: Key, from: &'static [&'static str], is: Is) -> Member {
    Member { to, from, is, is_required: true, otherwise: None }
}

const fn may(to: Key, from: &'static [&'static str], is: Is) -> Member {
    Member { to, from, is, is_required: false, otherwise: None }
}

/// The members of an object, and the names of all properties that they may come from.
#[derive(Clone, Copy, Debug)]
pub struct Members {
    pub list: &'static [Member],
    pub names: Names,
}

/// No list of members is longer.
pub const MEMBERS_MAX: usize = 8;

const fn members(list: &'static [Member]) -> Members {
    assert!(list.len() <= MEMBERS_MAX, "MEMBERS_MAX is too small");
    let mut names = Names::NONE;
    let mut member = 0;
    while member < list.len() {
        let mut from = 0;
        while from < list[member].from.len() {
            names = names.with(list[member].from[from].as_bytes());
            from += 1;
        }
        member += 1;
    }
    Members { list, names }
}

/// Where the products of a recommended event come from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Products {
    /// The event is one product.
    Itself,
    /// `properties.products`; where there are none, the properties are one.
    OneOrList,
    /// `properties.products`.
    List,
}

/// A recommended event.
#[derive(Clone, Copy, Debug)]
pub struct Recommended {
    pub name: &'static str,
    pub action: Option<&'static str>,
    pub members: Members,
    /// What the value of the event must be; None where it has none.
    pub value: Option<Is>,
    pub is_value_required: bool,
    pub products: Products,
}

const CART: Members = members(&[
    needs(key!("cart_id"), &["cart_id"], Is::Text),
    may(key!("subtotal_value"), &["subtotal_value", "subtotal"], Is::Money),
    may(key!("tax"), &["tax"], Is::Money),
    may(key!("shipping"), &["shipping"], Is::Money),
]);

const CHECKOUT: Members = members(&[
    needs(key!("checkout_id"), &["checkout_id", "order_id"], Is::Text),
    may(key!("cart_id"), &["cart_id"], Is::Text),
    may(key!("subtotal_value"), &["subtotal_value", "subtotal"], Is::Money),
    may(key!("tax"), &["tax"], Is::Money),
    may(key!("shipping"), &["shipping"], Is::Money),
]);

const PLACED: Members = members(&[
    needs(key!("order_id"), &["order_id"], Is::Text),
    may(key!("cart_id"), &["cart_id"], Is::Text),
    may(key!("subtotal_value"), &["subtotal_value", "subtotal"], Is::Money),
    may(key!("tax"), &["tax"], Is::Money),
    may(key!("shipping"), &["shipping"], Is::Money),
    may(key!("total_discounts"), &["total_discounts", "discount"], Is::Money),
    may(key!("discounts"), &["discounts"], Is::List),
]);

/// The vendor must have a reason, and the specification has none.
const CANCEL_REASON: Member =
    Member { otherwise: Some("\"unknown\""), ..may(key!("cancel_reason"), &["cancel_reason", "reason"], Is::Text) };

const CANCELLED: Members = members(&[
    needs(key!("order_id"), &["order_id"], Is::Text),
    CANCEL_REASON,
    may(key!("subtotal_value"), &["subtotal_value", "subtotal"], Is::Amount),
    may(key!("tax"), &["tax"], Is::Amount),
    may(key!("shipping"), &["shipping"], Is::Amount),
    may(key!("total_discounts"), &["total_discounts", "discount"], Is::Amount),
    may(key!("discounts"), &["discounts"], Is::List),
]);

const REFUNDED: Members = members(&[
    needs(key!("order_id"), &["order_id"], Is::Text),
    may(key!("total_discounts"), &["total_discounts", "discount"], Is::Amount),
    may(key!("discounts"), &["discounts"], Is::List),
]);

const VIEWED: Recommended = Recommended {
    name: "ecommerce.product_viewed",
    action: None,
    members: members(&[may(key!("type"), &["type"], Is::List)]),
    value: None,
    is_value_required: false,
    products: Products::Itself,
};

const fn cart(action: &'static str) -> Recommended {
    Recommended {
        name: "ecommerce.cart_updated",
        action: Some(action),
        members: CART,
        value: Some(Is::Money),
        is_value_required: false,
        products: Products::OneOrList,
    }
}

const fn order(name: &'static str, members: Members, value: Is) -> Recommended {
    Recommended { name, action: None, members, value: Some(value), is_value_required: true, products: Products::List }
}

/// The recommended events, by the names of the specification in lower case. A cart that is only viewed
/// is none of them: the vendor would take it for the cart's new content. Source: recommended_events.
pub const RECOMMENDED: &[(&str, Recommended)] = &[
    ("product viewed", VIEWED),
    ("viewed product", VIEWED),
    ("product added", cart("add")),
    ("added product", cart("add")),
    ("product removed", cart("remove")),
    ("removed product", cart("remove")),
    ("checkout started", order("ecommerce.checkout_started", CHECKOUT, Is::Money)),
    ("order completed", order("ecommerce.order_placed", PLACED, Is::Money)),
    ("completed order", order("ecommerce.order_placed", PLACED, Is::Money)),
    ("order cancelled", order("ecommerce.order_cancelled", CANCELLED, Is::Amount)),
    ("order refunded", order("ecommerce.order_refunded", REFUNDED, Is::Amount)),
];

const PRODUCT_ID: Member = needs(key!("product_id"), &["product_id", "sku"], Is::Text);
const PRODUCT_NAME: Member = needs(key!("product_name"), &["name", "product_name", "product_id", "sku"], Is::Text);
const VARIANT_ID: Member = needs(key!("variant_id"), &["variant_id", "variant", "sku", "product_id"], Is::Text);
const PRICE: Member = needs(key!("price"), &["price"], Is::Money);
const IMAGE_URL: Member = may(key!("image_url"), &["image_url"], Is::Text);
const PRODUCT_URL: Member = may(key!("product_url"), &["url", "product_url"], Is::Text);
/// Required too, and 1 where the sender names none.
const QUANTITY: Member = Member { otherwise: Some("1"), ..may(key!("quantity"), &["quantity"], Is::Quantity) };

/// A product in the list of a recommended event.
pub const PRODUCT: Members = members(&[PRODUCT_ID, PRODUCT_NAME, VARIANT_ID, QUANTITY, PRICE, IMAGE_URL, PRODUCT_URL]);

/// An event that is a product itself.
pub const PRODUCT_ALONE: Members = members(&[PRODUCT_ID, PRODUCT_NAME, VARIANT_ID, PRICE, IMAGE_URL, PRODUCT_URL]);
