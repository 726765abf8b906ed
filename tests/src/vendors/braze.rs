//! Braze: /users/track with errors for single objects in a 201, /users/identify and /users/merge.

use serde_json::{Map, Value, json};

use super::{VendorAnswer, header_is};
use crate::stand_in::Recorded;

/// Objects in a request over all lists.
const OBJECTS_MAX: usize = 75;
/// Identifiers in a request to /users/identify, merges in one to /users/merge.
const JOINS_MAX: usize = 50;
const EXTERNAL_ID_BYTES_MAX: usize = 987;
const NAME_CHARACTERS_MAX: usize = 255;
const PROPERTIES_MAX: usize = 256;
const PROPERTIES_BYTES_MAX: usize = 102_400;

const LISTS: [&str; 3] = ["attributes", "events", "purchases"];
const IDENTIFY_LISTS: [&str; 3] = ["aliases_to_identify", "emails_to_identify", "phone_numbers_to_identify"];
const IDENTIFIERS: [&str; 5] = ["external_id", "user_alias", "braze_id", "email", "phone"];
const SUBSCRIPTIONS: [&str; 3] = ["opted_in", "subscribed", "unsubscribed"];
/// The attributes that may begin with a dollar sign.
const DOLLAR_ATTRIBUTES: [&str; 2] = ["$google_ad_user_data", "$google_ad_personalization"];
/// Members of an attribute that steer how it is written.
const OPERATORS: [&str; 7] =
    ["$time", "$add", "$update", "$remove", "$identifier_key", "$identifier_value", "$new_object"];

const NO_IDENTIFIER: &str = "'external_id', 'braze_id', 'user_alias', 'email' or 'phone' is required";
const NO_DATA: &str = "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields.";

/// POST /users/track: objects that are refused are named in a 201, and the others are taken.
pub(super) fn track(request: &Recorded) -> VendorAnswer {
    let body = match body(request) {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let objects: usize = LISTS.iter().map(|list| items(&body, list).len()).sum();
    if objects > OBJECTS_MAX {
        return refused(400, "Max Input Length Exceeded");
    }
    let mut answer = Map::new();
    let (mut errors, mut violations) = (Vec::new(), Vec::new());
    for list in LISTS {
        let all = items(&body, list);
        let before = errors.len();
        for (index, object) in all.iter().enumerate() {
            if let Some(error) = object_error(list, object) {
                violations.push(format!("{list} {index}: {error}"));
                errors.push(json!({"type": error, "input_array": list, "index": index}));
            } else if let Some(loss) = loss(list, object) {
                violations.push(format!("{list} {index}: {loss}"));
            }
        }
        let taken = all.len() - (errors.len() - before);
        if taken > 0 {
            answer.insert(format!("{list}_processed"), taken.into());
        }
    }
    let nothing = errors.len() == objects;
    answer.insert("message".to_string(), if nothing { NO_DATA } else { "success" }.into());
    if nothing && violations.is_empty() {
        violations.push(NO_DATA.to_string());
    }
    if !errors.is_empty() {
        answer.insert("errors".to_string(), errors.into());
    }
    answered(if nothing { 400 } else { 201 }, Value::Object(answer), violations)
}

/// POST /users/identify: profiles without an external_id become a user's.
pub(super) fn identify(request: &Recorded) -> VendorAnswer {
    let body = match body(request) {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let all: Vec<&Value> = IDENTIFY_LISTS.iter().flat_map(|list| items(&body, list)).collect();
    if all.len() > JOINS_MAX {
        return refused(400, "The max number of ids per request was exceeded.");
    }
    let errors: Vec<Value> = all
        .iter()
        .enumerate()
        .filter_map(|(index, object)| Some((index, identify_error(object)?)))
        .map(|(index, error)| json!({"type": error, "input_array": "user_identifiers", "index": index}))
        .collect();
    if errors.len() == all.len() {
        return refused(400, "'aliases_to_identify' must be an array of objects");
    }
    let mut violations: Vec<String> = errors.iter().map(Value::to_string).collect();
    if !matches!(text(&body, "merge_behavior"), Some("merge" | "none")) {
        violations.push("'merge_behavior' is neither merge nor none".to_string());
    }
    let mut answer = json!({"aliases_processed": all.len() - errors.len(), "message": "success"});
    if !errors.is_empty() {
        answer["errors"] = errors.into();
    }
    answered(201, answer, violations)
}

/// POST /users/merge: one profile becomes a part of another. All or nothing.
pub(super) fn merge(request: &Recorded) -> VendorAnswer {
    let body = match body(request) {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let merges = items(&body, "merge_updates");
    if merges.is_empty() || merges.iter().any(|merge| !merge.is_object()) {
        return refused(400, "'merge_updates' must be an array of objects");
    }
    if merges.len() > JOINS_MAX {
        return refused(400, "a single request may not contain more than 50 merge updates");
    }
    for merge in merges {
        let (from, to) = (&merge["identifier_to_merge"], &merge["identifier_to_keep"]);
        if let Some(error) = [from, to].into_iter().find_map(|who| identifier_error(who, &IDENTIFIERS)) {
            return refused(400, &error);
        }
        if from == to {
            return refused(400, "identifiers must not be the same");
        }
    }
    answered(202, json!({"message": "success"}), Vec::new())
}

fn answered(status: u16, body: Value, violations: Vec<String>) -> VendorAnswer {
    VendorAnswer {
        status,
        headers: vec![("content-type".to_string(), "application/json".to_string())],
        body: body.to_string(),
        violations,
    }
}

fn refused(status: u16, message: &str) -> VendorAnswer {
    answered(status, json!({"message": message}), vec![message.to_string()])
}

/// The body, where the request as such is in order.
fn body(request: &Recorded) -> Result<Value, VendorAnswer> {
    let key = request.header("authorization").and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if key.trim().is_empty() {
        return Err(refused(401, "Invalid API Key"));
    }
    if !header_is(request, "content-type", "application/json") {
        return Err(refused(415, "Unsupported Media Type"));
    }
    match request.json() {
        body @ Value::Object(_) => Ok(body),
        _ => Err(refused(400, "Error while parsing request body. Please check your syntax.")),
    }
}

fn items<'a>(body: &'a Value, list: &str) -> &'a [Value] {
    body.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}

/// Why an object of /users/track is refused.
fn object_error(list: &str, object: &Value) -> Option<String> {
    match list {
        "attributes" => attributes_error(object),
        "events" => event_error(object),
        _ => purchase_error(object),
    }
}

/// What the vendor takes, and keeps nothing or too little of.
fn loss(list: &str, object: &Value) -> Option<String> {
    match list {
        "attributes" => object.as_object()?.iter().find_map(|(name, value)| {
            nested_loss(value).map(|loss| format!("the attribute {name} is dropped: {loss}"))
        }),
        "events" => {
            let schema = SCHEMAS.iter().find(|schema| text(object, "name") == Some(schema.event))?;
            schema_error(schema, &object["properties"]).map(|error| format!("{} is dropped: {error}", schema.event))
        }
        _ => None,
    }
}

/// An object names exactly one person. E-mail and phone are attributes where another names them.
fn attributes_error(object: &Value) -> Option<String> {
    let fields = object.as_object()?;
    let named = IDENTIFIERS[..3].iter().any(|name| fields.contains_key(*name));
    if let Some(error) = identifier_error(object, if named { &IDENTIFIERS[..3] } else { &IDENTIFIERS }) {
        return Some(error);
    }
    fields.iter().find_map(|(name, value)| attribute_error(name, value))
}

fn attribute_error(name: &str, value: &Value) -> Option<String> {
    let is = |right: fn(&str) -> bool| value.is_null() || value.as_str().is_some_and(right);
    let right = match name {
        "email" => is(|text| text.split_once('@').is_some_and(|(_, host)| host.contains('.'))),
        "phone" => is(|text| text.strip_prefix('+').is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))),
        "email_subscribe" | "push_subscribe" => is(|text| SUBSCRIPTIONS.contains(&text)),
        "gender" => is(|text| ["M", "F", "O", "N", "P"].contains(&text)),
        "country" => is(|text| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())),
        "language" => is(|text| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_lowercase())),
        "dob" => is(|text| text.len() == 10 && text.split('-').count() == 3),
        "first_name" | "last_name" | "home_city" | "time_zone" | "image_url" => is(|text| !text.is_empty()),
        "subscription_groups" => value.as_array().is_some_and(|groups| groups.iter().all(is_subscription)),
        "_update_existing_only" | "_merge_objects" => value.is_boolean(),
        _ => is_name(name) || DOLLAR_ATTRIBUTES.contains(&name),
    };
    (!right).then(|| format!("'{name}' is not valid"))
}

fn is_subscription(group: &Value) -> bool {
    text(group, "subscription_group_id").is_some_and(|id| id.len() == 36)
        && matches!(text(group, "subscription_state"), Some("subscribed" | "unsubscribed"))
}

/// Why the vendor drops an attribute that holds objects: none of them may have nulls or odd names.
fn nested_loss(value: &Value) -> Option<String> {
    match value {
        Value::Array(items) => items.iter().find_map(nested_loss),
        Value::Object(members) => members.iter().find_map(|(name, member)| {
            let odd = !OPERATORS.contains(&name.as_str()) && (!is_name(name) || name.contains(['.', ' ']));
            if odd || member.is_null() { Some(format!("{name}: {member}")) } else { nested_loss(member) }
        }),
        _ => None,
    }
}

fn event_error(event: &Value) -> Option<String> {
    if let Some(error) = identifier_error(event, &IDENTIFIERS) {
        return Some(error);
    }
    if !text(event, "name").is_some_and(length_is_right) {
        return Some("'name' is required and must be a non-empty string of at most 255 characters".to_string());
    }
    time_error(event).or_else(|| properties_error(event, &["time", "event_name"]))
}

fn purchase_error(purchase: &Value) -> Option<String> {
    if let Some(error) = identifier_error(purchase, &IDENTIFIERS) {
        return Some(error);
    }
    if !text(purchase, "product_id").is_some_and(length_is_right) {
        return Some("'product_id' must be a non-empty string of at most 255 characters".to_string());
    }
    let is_code = |code: &str| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    if !text(purchase, "currency").is_some_and(is_code) {
        return Some("'currency' must be an ISO 4217 code".to_string());
    }
    if !purchase["price"].is_number() {
        return Some("'price' is not valid".to_string());
    }
    if purchase.get("quantity").is_some_and(|quantity| !matches!(quantity.as_u64(), Some(1..=100))) {
        return Some("'quantity' must be an integer from 1 to 100".to_string());
    }
    let reserved = ["time", "event_name", "product_id", "quantity", "price", "currency"];
    time_error(purchase).or_else(|| properties_error(purchase, &reserved))
}

/// Exactly one of the identifiers, in its form.
fn identifier_error(object: &Value, among: &[&str]) -> Option<String> {
    let given: Vec<&str> = among.iter().copied().filter(|name| object.get(*name).is_some()).collect();
    let [name] = given[..] else {
        return Some(if given.is_empty() { NO_IDENTIFIER } else { "more than one identifier" }.to_string());
    };
    let filled = |value: &Value, name: &str| text(value, name).is_some_and(|id| !id.is_empty());
    let right = match name {
        "user_alias" => ["alias_name", "alias_label"].iter().all(|part| filled(&object[name], part)),
        _ => filled(object, name),
    };
    if !right {
        return Some(format!("'{name}' is not valid"));
    }
    let too_long = name == "external_id" && text(object, name).is_some_and(|id| id.len() > EXTERNAL_ID_BYTES_MAX);
    too_long.then(|| "EXTERNAL_USER_ID_TOO_LARGE".to_string())
}

fn identify_error(object: &Value) -> Option<String> {
    let user = json!({"external_id": object["external_id"]});
    if object.get("external_id").is_none() {
        return Some("'external_id' is required".to_string());
    }
    let contact = ["email", "phone"].iter().any(|name| object.get(*name).is_some());
    if contact && items(object, "prioritization").is_empty() {
        return Some("'prioritization' is required".to_string());
    }
    identifier_error(&user, &IDENTIFIERS).or_else(|| identifier_error(object, &["user_alias", "email", "phone"]))
}

/// ISO 8601, such as `2023-11-14T22:13:20.000Z`.
fn time_error(object: &Value) -> Option<String> {
    let is_time = |time: &str| {
        let bytes = time.as_bytes();
        bytes.len() >= 20 && bytes[4] == b'-' && bytes[10] == b'T' && bytes[13] == b':' && time.ends_with('Z')
    };
    (!text(object, "time").is_some_and(is_time)).then(|| "'time' is required and must be ISO 8601".to_string())
}

fn properties_error(object: &Value, reserved: &[&str]) -> Option<String> {
    let properties = object.get("properties")?;
    let Some(members) = properties.as_object() else { return Some("'properties' is not an object".to_string()) };
    let is_right = |name: &String| is_name(name) && !reserved.contains(&name.as_str());
    let fits = members.len() <= PROPERTIES_MAX && properties.to_string().len() <= PROPERTIES_BYTES_MAX;
    (!fits || !members.keys().all(is_right)).then(|| "Invalid 'properties' field".to_string())
}

/// A name of an event's property or of an attribute.
fn is_name(name: &str) -> bool {
    length_is_right(name) && !name.starts_with('$')
}

fn length_is_right(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= NAME_CHARACTERS_MAX
}

/// What a property of a recommended event must be.
#[derive(Clone, Copy)]
enum Is {
    Text,
    Number,
    List,
    Object,
}

type Fields = &'static [(&'static str, Is)];

/// A recommended event: what it must have, and what it may have besides. It is dropped for any other.
struct Schema {
    event: &'static str,
    required: &'static [Fields],
    optional: &'static [Fields],
}

const SCHEMAS: [Schema; 6] = [
    Schema {
        event: "ecommerce.product_viewed",
        required: &[VARIANT, &[("currency", Is::Text), ("source", Is::Text)]],
        optional: &[PRODUCT_MAY_HAVE, &[("type", Is::List)]],
    },
    Schema {
        event: "ecommerce.cart_updated",
        required: &[LIST, &[("cart_id", Is::Text)]],
        optional: &[&[("action", Is::Text), ("total_value", Is::Number)], COSTS],
    },
    Schema {
        event: "ecommerce.checkout_started",
        required: &[LIST, &[("checkout_id", Is::Text), ("total_value", Is::Number)]],
        optional: &[&[("cart_id", Is::Text)], COSTS],
    },
    Schema {
        event: "ecommerce.order_placed",
        required: &[LIST, ORDER],
        optional: &[&[("cart_id", Is::Text)], COSTS, DISCOUNTS],
    },
    Schema {
        event: "ecommerce.order_cancelled",
        required: &[LIST, ORDER, &[("cancel_reason", Is::Text)]],
        optional: &[COSTS, DISCOUNTS],
    },
    Schema {
        event: "ecommerce.order_refunded",
        required: &[LIST, ORDER],
        optional: &[DISCOUNTS, &[("metadata", Is::Object)]],
    },
];

const LIST: Fields = &[("currency", Is::Text), ("source", Is::Text), ("products", Is::List)];
const ORDER: Fields = &[("order_id", Is::Text), ("total_value", Is::Number)];
const COSTS: Fields =
    &[("subtotal_value", Is::Number), ("tax", Is::Number), ("shipping", Is::Number), ("metadata", Is::Object)];
const DISCOUNTS: Fields = &[("total_discounts", Is::Number), ("discounts", Is::List)];
const VARIANT: Fields =
    &[("product_id", Is::Text), ("product_name", Is::Text), ("variant_id", Is::Text), ("price", Is::Number)];
const PRODUCT_MAY_HAVE: Fields = &[("image_url", Is::Text), ("product_url", Is::Text), ("metadata", Is::Object)];

const PRODUCT: Schema =
    Schema { event: "product", required: &[VARIANT, &[("quantity", Is::Number)]], optional: &[PRODUCT_MAY_HAVE] };

/// Why the vendor drops a recommended event, or a product in one.
fn schema_error(schema: &Schema, properties: &Value) -> Option<String> {
    let empty = Map::new();
    let members = properties.as_object().unwrap_or(&empty);
    let field = |name: &str| {
        let all = schema.required.iter().chain(schema.optional).flat_map(|fields| fields.iter());
        all.copied().find(|(field, _)| *field == name)
    };
    let mut required = schema.required.iter().flat_map(|fields| fields.iter());
    if let Some((name, _)) = required.find(|(name, _)| !members.contains_key(*name)) {
        return Some(format!("'{name}' is missing"));
    }
    let wrong = |name: &str, value: &Value| match field(name).map(|(_, is)| is) {
        None => true,
        Some(Is::Text) => value.as_str().is_none_or(str::is_empty),
        Some(Is::Number) => value.as_f64().is_none_or(|number| number < 0.0),
        Some(Is::List) => value.as_array().is_none_or(Vec::is_empty),
        Some(Is::Object) => !value.is_object(),
    };
    if let Some((name, value)) = members.iter().find(|(name, value)| wrong(name, value)) {
        return Some(format!("'{name}' is not valid: {value}"));
    }
    items(properties, "products").iter().find_map(|product| schema_error(&PRODUCT, product))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{identify, merge, track};
    use crate::stand_in::Recorded;
    use crate::vendors::{VendorAnswer, request};

    fn sent(body: &Value) -> Recorded {
        request("/", "", &[("authorization", "Bearer key-1"), ("content-type", "application/json")], &body.to_string())
    }

    fn said(answer: &VendorAnswer) -> Value {
        serde_json::from_str(&answer.body).unwrap()
    }

    fn event(name: &str, properties: &Value) -> Value {
        json!({"external_id": "u1", "name": name, "time": "2023-11-14T22:13:20.000Z", "properties": properties})
    }

    fn purchase(quantity: u64) -> Value {
        json!({"external_id": "u1", "product_id": "p-1", "currency": "EUR", "price": 9.5, "quantity": quantity,
               "time": "2023-11-14T22:13:20.000Z"})
    }

    #[test]
    fn without_a_key_nothing_is_read() {
        let answer = track(&request("/", "", &[("content-type", "application/json")], "{}"));
        assert_eq!((answer.status, said(&answer)), (401, json!({"message": "Invalid API Key"})));
    }

    #[test]
    fn a_bad_object_among_good_ones_is_named_by_its_list_and_place() {
        let answer =
            track(&sent(&json!({"events": [event("A", &json!({}))], "purchases": [purchase(100), purchase(101)]})));
        assert_eq!(answer.status, 201);
        let errors =
            json!([{"type": "'quantity' must be an integer from 1 to 100", "input_array": "purchases", "index": 1}]);
        let expected = json!({"message": "success", "events_processed": 1, "purchases_processed": 1, "errors": errors});
        assert_eq!(said(&answer), expected);
        assert_eq!(answer.violations.len(), 1);
    }

    #[test]
    fn where_all_objects_are_bad_the_request_is_refused() {
        let answer = track(&sent(&json!({"events": [event("A", &json!({"time": 1})), event("", &json!({}))]})));
        assert_eq!(answer.status, 400);
        assert_eq!(said(&answer)["errors"].as_array().map(Vec::len), Some(2));
        assert_eq!(track(&sent(&json!({}))).status, 400);
    }

    #[test]
    fn a_request_has_75_objects_over_all_lists() {
        let events = vec![event("A", &json!({})); 74];
        let answer = track(&sent(&json!({"events": events, "purchases": [purchase(1)]})));
        assert_eq!((answer.status, answer.violations.len()), (201, 0));
        let answer = track(&sent(&json!({"events": events, "purchases": [purchase(1), purchase(1)]})));
        assert_eq!((answer.status, answer.violations.len()), (400, 1));
    }

    #[test]
    fn an_object_names_one_person() {
        let two = json!({"attributes": [{"external_id": "u1", "braze_id": "b1", "a": 1}]});
        assert_eq!(track(&sent(&two)).status, 400);
        let address = json!({"attributes": [{"external_id": "u1", "email": "ana@example.com"}, {"email": "ana@example.com", "a": 1}]});
        assert!(track(&sent(&address)).violations.is_empty());
    }

    #[test]
    fn what_is_dropped_silently_is_a_violation() {
        let answer = track(&sent(&json!({"attributes": [{"external_id": "u1", "a": {"b": null}}]})));
        assert_eq!((answer.status, answer.violations.len()), (201, 1));
        let viewed = json!({"product_id": "p", "product_name": "P", "variant_id": "v", "price": 1, "currency": "EUR", "source": "web"});
        let mut answer = track(&sent(&json!({"events": [event("ecommerce.product_viewed", &viewed)]})));
        assert!(answer.violations.is_empty(), "{:?}", answer.violations);
        let mut more = viewed;
        more["sku"] = "s".into();
        answer = track(&sent(&json!({"events": [event("ecommerce.product_viewed", &more)]})));
        assert_eq!((answer.status, answer.violations.len()), (201, 1));
    }

    #[test]
    fn joins_are_50_at_most() {
        let alias = json!({"external_id": "u1", "user_alias": {"alias_name": "a", "alias_label": "l"}});
        let answer = identify(&sent(&json!({"aliases_to_identify": vec![&alias; 50], "merge_behavior": "merge"})));
        assert_eq!((answer.status, answer.violations.len()), (201, 0));
        assert_eq!(said(&answer)["aliases_processed"], 50);
        let answer = identify(&sent(&json!({"aliases_to_identify": vec![&alias; 51], "merge_behavior": "merge"})));
        assert_eq!(answer.status, 400);

        let pair = json!({"identifier_to_merge": {"external_id": "a"}, "identifier_to_keep": {"external_id": "b"}});
        assert_eq!(merge(&sent(&json!({"merge_updates": vec![&pair; 50]}))).status, 202);
        assert_eq!(merge(&sent(&json!({"merge_updates": vec![&pair; 51]}))).status, 400);
    }

    #[test]
    fn a_join_needs_both_sides() {
        let lone = json!({"aliases_to_identify": [{"external_id": "u1"}], "merge_behavior": "merge"});
        assert_eq!(identify(&sent(&lone)).status, 400);
        let same = json!({"identifier_to_merge": {"external_id": "a"}, "identifier_to_keep": {"external_id": "a"}});
        assert_eq!(merge(&sent(&json!({"merge_updates": [same]}))).status, 400);
    }
}
