//! The requests: which events share one, and what each event is called.

use std::borrow::Cow;

use switchyard_sdk::money::{Currency, OrderValue};
use switchyard_sdk::name;
use switchyard_sdk::prelude::*;

use crate::fields::{Context, Properties};
use crate::items::{self, Products};
use crate::params::{Params, is_identifier, is_said};
use crate::rules::{
    APP_EVENTS, BACKDATE_US_MAX, BODY_BYTES_MAX, CAMPAIGN, CUSTOM, EVENTS, EVENTS_MAX, NAME_CHARACTERS_MAX, PAGE,
    PARAMS_MAX, Param, RESERVED_EVENTS, RESERVED_PREFIXES, Rule, SCREEN, Worth,
};
use crate::settings::{Campaign, Ga4, Validation};
use crate::user;

/// Bytes behind the last event.
const CLOSING: &[u8] = b"]}";

/// Plans a batch: events that agree in all that a request has once go together, 25 at most.
pub fn plan(ga4: &Ga4, batch: &Batch, plan: &mut Plan) {
    let mut members = Vec::with_capacity(batch.len());
    let mut groups = Groups::with_capacity(batch.len());
    for event in batch.iter() {
        let named = match name_of(ga4, &event) {
            Ok(named) => named,
            Err(refusal) => {
                refusal.into_fate(&event, plan);
                continue;
            }
        };
        if ga4.validation_behavior == Some(Validation::EnforceRecommendations)
            && event.timestamp_us() < batch.now_ms() as i64 * 1_000 - BACKDATE_US_MAX
        {
            plan.reject(&event, "timestamp: is more than 72 hours ago");
            continue;
        }
        let context = Context::of(&event);
        // A request's beginning is the key of what shares it.
        let added = groups.try_add(members.len() as u32, |key| {
            let mut json = JsonWriter::append_to(std::mem::take(key));
            let written = user::write(ga4, &event, &context, &mut json);
            *key = json.into_bytes();
            written
        });
        match added {
            Ok(()) => members.push(Member { event, named, campaign: context.campaign, client_ids: context.client_ids }),
            Err(reason) => plan.reject(&event, reason),
        }
    }
    for (beginning, numbers) in groups.iter() {
        let group = numbers.map(|number| &members[number as usize]);
        requests(ga4, batch.now_ms(), beginning, group, plan);
    }
}

/// The requests of events that share their beginning.
fn requests<'a>(
    ga4: &Ga4,
    now_ms: u64,
    beginning: &[u8],
    members: impl Iterator<Item = &'a Member<'a>>,
    plan: &mut Plan,
) {
    let mut members = members.peekable();
    while members.peek().is_some() {
        let mut covers = Vec::with_capacity(1);
        let mut json = JsonWriter::new();
        json.verbatim(beginning);
        let (mut events, mut oldest_us) = (0, i64::MAX);
        while let Some(member) = members.peek() {
            let before = json.len();
            let written = write_events(ga4, member, now_ms, &mut json);
            let full = events + written > EVENTS_MAX || json.len() + CLOSING.len() > BODY_BYTES_MAX;
            if full {
                json.truncate(before);
                if !covers.is_empty() {
                    break;
                }
                plan.reject(&member.event, "event: is larger than the 130 kB of a request");
            } else {
                events += written;
                covers.push(member.event.position());
                oldest_us = oldest_us.min(member.event.timestamp_us());
            }
            members.next();
        }
        if covers.is_empty() {
            break;
        }
        json.verbatim(CLOSING);
        json.shrink();
        let request = plan.post(ga4.url.as_str()).key("collect").json(json).covers(covers);
        request.secret_query("api_secret", &ga4.api_secret);
        if ga4.validation_behavior == Some(Validation::EnforceRecommendations) {
            request.not_after((oldest_us + BACKDATE_US_MAX) as u64 / 1_000);
        }
    }
}

/// An event that is sent, and as what.
struct Member<'a> {
    event: Event<'a>,
    named: Named<'a>,
    campaign: Value<'a>,
    client_ids: Value<'a>,
}

/// What an event becomes.
struct Named<'a> {
    rule: &'static Rule,
    name: Cow<'a, str>,
}

/// Why an event is not sent.
enum Refusal {
    Skip(String),
    Reject(&'static str),
}

impl Refusal {
    fn into_fate(self, event: &Event<'_>, plan: &mut Plan) {
        match self {
            Refusal::Skip(reason) => plan.skip(event, reason),
            Refusal::Reject(reason) => plan.reject(event, reason),
        }
    }
}

/// The vendor's name for an event, or why it is not sent.
fn name_of<'a>(ga4: &'a Ga4, event: &Event<'a>) -> Result<Named<'a>, Refusal> {
    let fixed = |rule: &'static Rule| Ok(Named { rule, name: Cow::Borrowed(rule.name) });
    match event.kind() {
        Kind::Track => track_name(ga4, event),
        Kind::Page => fixed(&PAGE),
        Kind::Screen => Ok(Named { rule: &SCREEN, name: Cow::Borrowed(&ga4.screen_event) }),
        Kind::Group if event.group_id().is_none() => Err(Refusal::Reject("groupId: is missing")),
        Kind::Group => Ok(Named { rule: &CUSTOM, name: Cow::Borrowed("join_group") }),
        Kind::Identify => match ga4.identify_event {
            Some(name) => Ok(Named { rule: &CUSTOM, name: Cow::Borrowed(name) }),
            None => Err(Refusal::Skip(
                "type: an identify has no event; other events bring the traits of their context".to_string(),
            )),
        },
        Kind::Alias | Kind::Other => Err(Refusal::Skip("type: the vendor has no aliases".to_string())),
    }
}

fn track_name<'a>(ga4: &'a Ga4, event: &Event<'a>) -> Result<Named<'a>, Refusal> {
    let name = event.event_name().as_filled_str().ok_or(Refusal::Reject("event: is missing"))?;
    if let Some((_, renamed)) = ga4.event_names.iter().find(|(from, _)| name::same(from, &name)) {
        return checked(ga4, event, rule_named(renamed), Cow::Borrowed(renamed));
    }
    if let Some(rule) = name::lookup(EVENTS, &name) {
        return complete(event, Named { rule, name: Cow::Borrowed(rule.name) });
    }
    let name = without_spaces(name);
    checked(ga4, event, rule_named(&name), name)
}

/// The rule of an event that has the vendor's name already.
fn rule_named(name: &str) -> &'static Rule {
    EVENTS.iter().map(|(_, rule)| rule).find(|rule| rule.name == name).unwrap_or(&CUSTOM)
}

/// Trimmed, and `_` for the spaces inside.
fn without_spaces(name: Cow<'_, str>) -> Cow<'_, str> {
    if !name.contains(char::is_whitespace) {
        return name;
    }
    Cow::Owned(name.split_whitespace().collect::<Vec<&str>>().join("_"))
}

/// A name that the vendor takes, of an event that has what it needs.
fn checked<'a>(ga4: &Ga4, event: &Event<'_>, rule: &'static Rule, name: Cow<'a, str>) -> Result<Named<'a>, Refusal> {
    if let Some(reason) = refused_name(&name, ga4.is_app) {
        let shown = switchyard_sdk::text::cut(&name, 2 * NAME_CHARACTERS_MAX);
        return Err(Refusal::Skip(format!("event: `{shown}` {reason}")));
    }
    complete(event, Named { rule, name })
}

/// The same, when the event has what its rule needs.
fn complete<'a>(event: &Event<'_>, named: Named<'a>) -> Result<Named<'a>, Refusal> {
    let is_given = |key: &&str| is_said(&event.properties().child(key));
    if named.rule.needs_transaction && !["order_id", "transaction_id"].iter().any(is_given) {
        return Err(Refusal::Reject("properties.order_id: is missing, and the vendor needs it as transaction_id"));
    }
    Ok(named)
}

/// Why a stream does not take a name.
pub fn refused_name(name: &str, is_app: bool) -> Option<&'static str> {
    if RESERVED_EVENTS.contains(&name) || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return Some("is reserved by the vendor");
    }
    if APP_EVENTS.contains(&name) && !is_app {
        return Some("is for app streams only");
    }
    if !is_identifier(name.as_bytes()) {
        return Some("must begin with a letter and have only letters of the Latin alphabet, digits and _");
    }
    if name.len() > NAME_CHARACTERS_MAX {
        return Some("has more than 40 characters");
    }
    None
}

/// Writes the event, and where the campaign is told by an event of its own, that one before it.
/// Returns how many were written.
fn write_events(ga4: &Ga4, member: &Member<'_>, now_ms: u64, json: &mut JsonWriter) -> usize {
    let Member { event, named, .. } = member;
    let properties = Properties::of(event);
    let campaign = match event.kind() {
        Kind::Track | Kind::Page | Kind::Screen if ga4.campaign != Campaign::None => campaign(member.campaign),
        _ => None,
    };
    let mut written = 1;
    if let (Some(campaign), Campaign::Event) = (&campaign, ga4.campaign) {
        begin(event, "campaign_details", now_ms, json);
        let mut params = Params::new(json, ga4.value_characters_max, PARAMS_MAX);
        session(ga4, member, &properties, &mut params);
        campaign_params(campaign, &mut params);
        json.verbatim(b"}}");
        written += 1;
    }
    begin(event, &named.name, now_ms, json);
    let mut params = Params::new(json, ga4.value_characters_max, PARAMS_MAX);
    session(ga4, member, &properties, &mut params);
    let products = items::find(&properties, named.rule);
    match event.kind() {
        Kind::Group => {
            if let Some(id) = event.group_id()
                && params.open(b"group_id")
            {
                let cut = switchyard_sdk::text::cut(&id, ga4.value_characters_max);
                params.json().value(cut);
            }
        }
        Kind::Identify => {}
        _ => event_params(ga4, event, &properties, named.rule, products, &mut params),
    }
    if let (Some(campaign), Campaign::Params) = (&campaign, ga4.campaign) {
        campaign_params(campaign, &mut params);
    }
    if !matches!(event.kind(), Kind::Group | Kind::Identify) {
        custom_params(ga4, event, named.rule, products, &mut params);
    }
    json.verbatim(b"}}");
    written
}

fn begin(event: &Event<'_>, name: &str, now_ms: u64, json: &mut JsonWriter) {
    json.begin_object();
    json.member(key!("name"), name);
    // A time to come is refused; without one the event happened when it arrives.
    if event.timestamp_us() <= now_ms as i64 * 1_000 && event.timestamp_us() >= 0 {
        json.member(key!("timestamp_micros"), event.timestamp_us());
    }
    json.verbatim(b",\"params\":{");
}

fn session(ga4: &Ga4, member: &Member<'_>, properties: &Properties<'_>, params: &mut Params<'_>) {
    // Not cut: the bound on values does not hold for sessions.
    if let Some(session) = user::session_id(ga4, &member.event, member.client_ids, properties.session_id)
        && params.open(b"session_id")
    {
        params.json().value(session);
    }
    let given = properties.engagement_time_msec;
    if given.finite_number().is_some_and(|time| time >= 1.0) {
        params.number("engagement_time_msec", &given);
    } else if params.open(b"engagement_time_msec") {
        params.json().value(ga4.engagement_time_msec);
    }
}

/// The campaign's values in the order of [`CAMPAIGN`], where one says something.
fn campaign(campaign: Value<'_>) -> Option<[Value<'_>; CAMPAIGN.len()]> {
    let values = campaign.members(CAMPAIGN.map(|param| param.from));
    values.iter().any(is_said).then_some(values)
}

fn campaign_params(values: &[Value<'_>; CAMPAIGN.len()], params: &mut Params<'_>) {
    for (param, value) in CAMPAIGN.iter().zip(values) {
        params.mapped(param, value);
    }
}

/// What the vendor has a name for.
fn event_params(
    ga4: &Ga4,
    event: &Event<'_>,
    properties: &Properties<'_>,
    rule: &Rule,
    products: Products<'_>,
    params: &mut Params<'_>,
) {
    for param in rule.params {
        let own = properties.all.child(param.from);
        params.mapped(param, &if is_said(&own) { own } else { other_place(event, param) });
    }
    if event.kind() == Kind::Screen {
        params.text("screen_name", &event.page_name());
    }
    items::write(params, ga4, products);
    money(ga4, properties, rule, params);
}

/// Where else a parameter may stand: under the vendor's own name, or in the page.
fn other_place<'a>(event: &Event<'a>, param: &Param) -> Value<'a> {
    let same = event.properties().child(param.to);
    if event.kind() != Kind::Page || is_said(&same) { same } else { event.context().child("page").child(param.from) }
}

/// The value and its currency: only both together, for the vendor drops a value without currency.
fn money(ga4: &Ga4, properties: &Properties<'_>, rule: &Rule, params: &mut Params<'_>) {
    let given = properties.currency;
    // The value of a currency that cannot be read is not one of the default currency.
    let code = match given.quoted() {
        None if given.is_null() => ga4.default_currency,
        Some(quoted) if quoted.trim_ascii().is_empty() => ga4.default_currency,
        _ => Currency::of_value(given),
    };
    let Some(code) = code else { return };
    let amount = amount(ga4, properties, rule);
    if !is_said(&given) && matches!(amount, Amount::None) {
        return;
    }
    if params.open(b"currency") {
        params.json().value(code);
    }
    match amount {
        Amount::Given(number) if params.open(b"value") => params.json().raw(number),
        Amount::Computed(number) if params.open(b"value") => params.json().value(number),
        _ => {}
    }
}

/// What an event is worth.
enum Amount<'a> {
    None,
    /// A JSON number of the event.
    Given(&'a [u8]),
    Computed(f64),
}

fn amount<'a>(ga4: &Ga4, properties: &Properties<'a>, rule: &Rule) -> Amount<'a> {
    let Properties { value, total, revenue, .. } = *properties;
    let places: &[Value<'a>] = match (rule.worth, ga4.order_value) {
        (Worth::Given | Worth::Product, _) => &[value],
        (Worth::Order, OrderValue::Total) => &[total, revenue, value],
        (Worth::Order, OrderValue::Revenue) => &[revenue, total, value],
        (Worth::Order, OrderValue::Value) => &[value, total, revenue],
    };
    if let Some(number) = places.iter().find_map(Value::number_text) {
        return Amount::Given(number);
    }
    if rule.worth != Worth::Product {
        return Amount::None;
    }
    match properties.all.child("price").finite_number() {
        Some(price) => {
            let product = price * properties.all.child("quantity").finite_number().unwrap_or(1.0);
            // To the millionth, which is finer than any price and coarser than a double's noise.
            Amount::Computed((product * 1e6).round() / 1e6)
        }
        None => Amount::None,
    }
}

/// The properties that no table has, as long as there is room.
fn custom_params(ga4: &Ga4, event: &Event<'_>, rule: &Rule, products: Products<'_>, params: &mut Params<'_>) {
    for value in event.properties().children() {
        if params.count() == PARAMS_MAX {
            return;
        }
        let key = value.raw_key();
        let told = match key {
            b"products" | b"items" => value.is_array(),
            b"value" | b"currency" | b"engagement_time_msec" | b"session_id" => true,
            b"total" | b"revenue" => rule.worth == Worth::Order,
            b"name" if event.kind() == Kind::Screen => true,
            _ => matches!(products, Products::Single(product) if items::is_in_item(product, key)),
        };
        if !told && !rule.params.iter().any(|param| param.from.as_bytes() == key) {
            params.custom(value, ga4.nested);
        }
    }
}
