//! Traces by OTLP: what a receiver gets, and that nothing depends on it.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use prost::Message;
use serde_json::json;
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, eventually};
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::shop;
use switchyard_tests::stand_in::{Answer, Recorded, StandIn};

/// A span's name and attributes.
type Span = (String, BTreeMap<String, String>);

fn spans(requests: &[Recorded]) -> Vec<Span> {
    let decoded = requests.iter().filter(|request| request.path == "/v1/traces").map(|request| {
        assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
        ExportTraceServiceRequest::decode(request.body.clone()).expect("it is an OTLP message")
    });
    let spans = decoded.flat_map(|message| message.resource_spans).flat_map(|resource| {
        let attributes = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
        assert_eq!(texts(attributes).get("service.name").map(String::as_str), Some("switchyard"));
        resource.scope_spans
    });
    spans.flat_map(|scope| scope.spans).map(|span| (span.name, texts(span.attributes))).collect()
}

fn texts(attributes: Vec<opentelemetry_proto::tonic::common::v1::KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Any| match value {
        Any::StringValue(text) => text,
        Any::IntValue(number) => number.to_string(),
        Any::BoolValue(truth) => truth.to_string(),
        other => format!("{other:?}"),
    };
    let value = |value: Option<opentelemetry_proto::tonic::common::v1::AnyValue>| value.and_then(|value| value.value);
    attributes.into_iter().filter_map(|each| Some((each.key, text(value(each.value)?)))).collect()
}

/// The first span of that name which has these attributes.
fn find(spans: &[Span], name: &str, wanted: &[(&str, &str)]) -> Option<BTreeMap<String, String>> {
    let fits = |has: &BTreeMap<String, String>| {
        wanted.iter().all(|(key, value)| has.get(*key).is_some_and(|own| own == value))
    };
    spans.iter().find(|(own, has)| own == name && fits(has)).map(|(_, has)| has.clone())
}

fn to_receiver(receiver: &StandIn) -> String {
    format!("[telemetry]\notlp_endpoint = \"{}\"", receiver.url())
}

#[test]
fn a_receiver_gets_the_spans_and_nothing_of_an_event() {
    let (vendors, receiver) = (StandIn::start(), StandIn::start());
    receiver.program(u64::MAX, Answer::status(200), |request| request.path == "/v1/traces");
    let mut daemon = Daemon::prepare(
        Setup::shop([Destination::ga4("ga4", &vendors.url()), Destination::mixpanel("mixpanel", &vendors.url())])
            .section(&to_receiver(&receiver)),
    );
    daemon.set_environment("OTEL_BSP_SCHEDULE_DELAY", "200");
    daemon.restart();
    let event = json!({
        "type": "track", "event": "planted_name", "userId": "planted-user", "anonymousId": "planted-visitor", "messageId": "planted-id",
        "properties": {"planted": "planted-value"},
    });
    daemon.accept(&[event]);
    eventually("both have it", SOON, || {
        daemon.counter("shop/ga4", "delivered") == 1 && daemon.counter("shop/mixpanel", "delivered") == 1
    });
    let mixpanel = [("destination", "shop/mixpanel"), ("plugin", "mixpanel"), ("events", "1")];
    let answered = [&mixpanel[..], &[("status", "200")]].concat();
    receiver.wait_until("a span of each kind", SOON, |requests| {
        let spans = spans(requests);
        let all = [("plan", &mixpanel[..]), ("attempt", &answered[..]), ("judge", &answered[..])];
        all.iter().all(|(name, wanted)| find(&spans, name, wanted).is_some())
            && find(&spans, "commit", &[("appends", "1"), ("changed", "true")]).is_some()
    });
    let spans = spans(&receiver.requests());
    let plan = find(&spans, "plan", &mixpanel).expect("just seen");
    assert_eq!((plan["requests"].as_str(), plan["faults"].as_str()), ("1", "0"), "{plan:?}");
    assert_eq!(plan["revision"].len(), 12, "{plan:?}");
    assert_eq!(find(&spans, "attempt", &mixpanel).expect("just seen")["result"], "2xx");
    assert!(daemon.end().success());
    for request in receiver.requests() {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        for secret in ["planted", "ga4-secret", "mixpanel-token"] {
            assert!(!body.contains(secret), "{secret} in {body}");
        }
    }
}

#[test]
fn a_receiver_that_is_gone_holds_nothing_up_and_is_named_once() {
    let (vendors, receiver) = (StandIn::start(), StandIn::start());
    receiver.program(u64::MAX, Answer::status(200), |_| true);
    receiver.go_down();
    let mut daemon = Daemon::prepare(
        Setup::shop([Destination::webhook("webhook", &vendors.url())]).section(&to_receiver(&receiver)),
    );
    daemon.set_environment("OTEL_BSP_SCHEDULE_DELAY", "200");
    daemon.restart();
    daemon.accept(&[shop::padded("first", 400)]);
    daemon.wait_for_log("spans cannot be sent by OTLP");
    daemon.accept(&[shop::padded("second", 400)]);
    eventually("both are delivered", SOON, || daemon.counter("shop/webhook", "delivered") == 2);
    receiver.come_back();
    daemon.accept(&[shop::padded("third", 400)]);
    daemon.wait_for_log("spans are sent by OTLP again");
    assert_eq!(daemon.log().matches("spans cannot be sent by OTLP").count(), 1, "{}", daemon.log());
}
