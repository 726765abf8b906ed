//! The OpenAPI document of `/api/v1`, made from the table of its operations.

use hyper::Method;
use serde_json::{Map, Value, json};

use super::operations::{Form, OPERATIONS, Operation};

/// The whole document.
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in &OPERATIONS {
        let path = paths.entry(format!("/api/v1/{}", operation.path)).or_insert_with(|| json!({}));
        path[operation.method.as_str().to_lowercase()] = described(operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Switchyard",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "The operator's interface of the event forwarder Switchyard.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas(),
        },
    })
}

fn described(operation: &Operation) -> Value {
    let mut parameters: Vec<Value> = Vec::new();
    for part in operation.path.split('/').filter(|part| part.starts_with('{')) {
        let name = part.trim_matches(['{', '}']);
        parameters
            .push(json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "minLength": 1}}));
    }
    for (name, description) in operation.query {
        parameters.push(json!({"name": name, "in": "query", "description": description, "schema": {"type": "string"}}));
    }
    let answers_saved = operation.answers == Form::Json("Saved") || operation.answers == Form::Json("NewWriteKey");
    if answers_saved {
        let description =
            "The ETag of the configuration that the caller looked at: refused with 412 when it has changed";
        parameters.push(
            json!({"name": "If-Match", "in": "header", "description": description, "schema": {"type": "string"}}),
        );
    }
    let failure = |description: &str| json!({"description": description, "content": content(Form::Json("Failure"))});
    let mut responses = json!({
        "200": {"description": "Done"},
        "400": failure("What was asked for is not written well"),
        "401": failure("No token, or one that is not known"),
        "403": failure("The token's role does not reach"),
        "404": failure("There is no such thing"),
        "409": failure("Something else is in the way"),
        "500": failure("The daemon cannot do it"),
    });
    if operation.method != Method::GET {
        responses["422"] = failure("The result would not be good");
    }
    if answers_saved {
        responses["412"] = failure("The configuration has changed meanwhile");
        responses["428"] = failure("If-Match is needed");
    }
    if operation.answers != Form::Nothing {
        responses["200"]["content"] = content(operation.answers);
    }
    let mut described = json!({
        "operationId": format!("{:?}", operation.call),
        "summary": operation.summary,
        "description": format!("Needs the role {}.", operation.role.as_str()),
        "x-role": operation.role,
        "parameters": parameters,
        "responses": responses,
    });
    if operation.takes != Form::Nothing {
        described["requestBody"] = json!({"required": true, "content": content(operation.takes)});
    }
    described
}

fn content(form: Form) -> Value {
    let schema = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    match form {
        Form::Nothing => json!({}),
        Form::Json(name) => json!({"application/json": {"schema": schema(name)}}),
        Form::Lines(name) => json!({"application/x-ndjson": {"schema": schema(name)}}),
        Form::Bytes => json!({"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}),
    }
}

/// An object with these members; those with `!` behind their name are always there.
fn object(members: &[(&str, Value)]) -> Value {
    let required: Vec<&str> = members.iter().filter_map(|(name, _)| name.strip_suffix('!')).collect();
    let properties: Map<String, Value> =
        members.iter().map(|(name, schema)| (name.trim_end_matches('!').to_string(), schema.clone())).collect();
    json!({"type": "object", "properties": properties, "required": required})
}

/// What a caller sends: nothing else is taken.
fn closed(mut object: Value) -> Value {
    object["additionalProperties"] = json!(false);
    object
}

fn schemas() -> Value {
    let (text, whole, truth) =
        (json!({"type": "string"}), json!({"type": "integer", "minimum": 0}), json!({"type": "boolean"}));
    let list = |of: &Value| json!({"type": "array", "items": of});
    let maybe = |of: &str| json!({"type": [of, "null"]});
    let any_object = json!({"type": "object"});
    let time = json!({"type": ["string", "integer", "null"]});
    let success = || ("success!", json!({"const": true}));
    let filter = closed(object(&[
        ("destination", maybe("string")),
        ("reason", maybe("string")),
        ("event", maybe("string")),
        ("message_id", maybe("string")),
        ("from", time.clone()),
        ("to", time.clone()),
        ("ids", json!({"type": ["array", "null"], "items": whole})),
        ("limit", whole.clone()),
        ("rate", json!({"type": ["integer", "null"], "minimum": 1})),
    ]));
    let rules = list(&closed(object(&[
        ("level!", json!({"enum": ["pipeline", "destination"]})),
        ("from", json!({"type": ["integer", "null"], "minimum": 0})),
        ("rule!", any_object.clone()),
    ])));
    json!({
        "Object": any_object,
        "List": list(&any_object),
        "Failure": object(&[("success!", json!({"const": false})), ("code!", text.clone()), ("message!", text.clone())]),
        "RollBackPlugin": object(&[("to", text.clone())]),
        "Saved": object(&[success(), ("configuration!", whole.clone())]),
        "Person": object(&[("name!", text.clone()), ("role!", json!({"enum": ["viewer", "editor", "admin"]}))]),
        "Overview": object(&[("now_ms!", whole.clone()), ("window!", text.clone()), ("configuration!", whole.clone()),
            ("attention!", list(&any_object)), ("balance!", any_object.clone()), ("pipelines!", list(&any_object))]),
        "Destination": object(&[("id!", text.clone()), ("plugin!", text.clone()), ("health!", any_object.clone()),
            ("settings!", any_object.clone()), ("secrets!", list(&text)), ("allowed_hosts!", list(&text)),
            ("missing_hosts!", list(&text)), ("etag!", text.clone())]),
        "NewDestination": closed(object(&[("name!", text.clone()), ("plugin!", text.clone()), ("settings", any_object.clone()),
            ("allowed_hosts", list(&text)), ("allowed_addresses", list(&text)), ("paused", truth.clone())])),
        "DestinationChange": closed(object(&[("settings", any_object.clone()),
            ("allowed_hosts", json!({"type": ["array", "null"], "items": text})),
            ("allowed_addresses", json!({"type": ["array", "null"], "items": text}))])),
        "Rules": object(&[("rules!", list(&any_object)), ("etag!", text.clone())]),
        "EditedRules": closed(object(&[("rules!", rules.clone())])),
        "PreviewCall": closed(object(&[("rules!", rules), ("event", json!({"type": ["object", "null"]}))])),
        "Preview": object(&[("mistakes!", list(&any_object)), ("steps!", list(&any_object)), ("before!", any_object.clone()),
            ("after!", json!({"type": ["object", "null"]})), ("outcome!", json!({"type": ["object", "null"]}))]),
        "Review": object(&[("events!", whole.clone()), ("destinations!", list(&any_object))]),
        "Paused": object(&[success(), ("destination!", text.clone()), ("paused!", truth.clone())]),
        "DeadLetterPage": object(&[("dead_letters!", list(&any_object)), ("next!", maybe("string"))]),
        "DeadLetterGroups": object(&[("groups!", list(&any_object)), ("grouped!", whole.clone()), ("more!", truth.clone())]),
        "DeadLetterFilter": filter,
        "QueueReplay": closed(object(&[("destination!", text.clone()), ("from", time.clone()), ("to", time),
            ("rate", json!({"type": ["integer", "null"], "minimum": 1})), ("abandon", truth.clone())])),
        "Progress": object(&[("success!", truth.clone()), ("done", truth.clone())]),
        "NewWriteKey": object(&[success(), ("write_key!", text.clone()), ("configuration!", whole.clone())]),
        "WriteKeyChange": closed(object(&[("enabled", maybe("boolean")), ("events_per_second", maybe("integer")),
            ("bytes_per_second", maybe("integer"))])),
        "TestEvent": object(&[success(), ("message_id!", text.clone())]),
        "Plugin": object(&[("plugin!", text.clone()), ("version!", text.clone()), ("revision!", text.clone()), ("manifest!", any_object.clone())]),
        "Configuration": object(&[("text!", text.clone()), ("etag!", text.clone()), ("number!", whole.clone())]),
        "ConfigurationText": closed(object(&[("text!", text.clone())])),
        "HistoryEntry": object(&[("number!", whole), ("who!", text.clone()), ("changes!", list(&any_object)), ("back!", list(&any_object)),
            ("todays_secrets!", list(&text)), ("refused", text.clone())]),
        "Erase": closed(object(&[("user!", text)])),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_that_is_named_is_there() {
        let document = document();
        let text = document.to_string();
        let named = text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next());
        for name in named {
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
        }
        let calls: usize =
            document["paths"].as_object().unwrap().values().map(|path| path.as_object().unwrap().len()).sum();
        assert_eq!(calls, OPERATIONS.len());
    }
}
