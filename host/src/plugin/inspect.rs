//! `switchyard plugin inspect`: what a plugin's file says, without running it.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use wasmparser::{Parser, Payload};

use super::aot::hex;
use super::contract::is_types_interface;
use super::host::{Limits, PluginHost};
use super::manifest::{Manifest, read_manifest};

/// Prints manifest, imports, exports and limits: as JSON, or for people.
pub fn inspect(host: &PluginHost, path: &Path, as_json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let wasm = host.read_file(path)?;
    let manifest = read_manifest(&wasm).with_context(|| path.display().to_string())?;
    let (imports, exports) = surface(&wasm)?;
    if as_json {
        let shown = json!({
            "revision": hex(&Sha256::digest(&wasm)),
            "bytes": wasm.len(),
            "manifest": manifest,
            "imports": imports,
            "exports": exports,
            "limits": limits_json(host.limits()),
        });
        writeln!(out, "{shown:#}")?;
        return Ok(());
    }
    writeln!(out, "{} {}: {}", manifest.id, manifest.version, manifest.name)?;
    for (label, text) in facts(&manifest, &wasm, &imports, &exports, host.limits()) {
        writeln!(out, "  {label:<12} {text}")?;
    }
    settings(&manifest, out)
}

fn facts(
    manifest: &Manifest,
    wasm: &[u8],
    imports: &[String],
    exports: &[String],
    limits: &Limits,
) -> Vec<(&'static str, String)> {
    let or_none = |texts: &[String]| if texts.is_empty() { "none".to_string() } else { texts.join(", ") };
    let digest = hex(&Sha256::digest(wasm));
    let mut facts = vec![
        ("does", manifest.description.clone()),
        ("revision", format!("{} ({} bytes)", &digest[..12], wasm.len())),
        ("contract", manifest.contract.clone()),
        ("kinds", or_none(&manifest.kinds)),
        ("hosts", or_none(&manifest.hosts)),
        ("batch", format!("{} events, {} bytes", manifest.batch.events_max, manifest.batch.bytes_max)),
        ("instances", instances(manifest)),
        ("secrets", secrets(manifest)),
        ("fixtures", manifest.fixtures.len().to_string()),
        ("imports", or_none(imports)),
        ("exports", or_none(exports)),
        (
            "limits",
            format!(
                "{} ms a call, {} MiB of memory, {} MiB of output",
                limits.call_ms_max,
                limits.memory_bytes_max >> 20,
                limits.output_bytes_max >> 20
            ),
        ),
        ("licence", manifest.license.clone()),
        ("docs", manifest.docs.clone()),
    ];
    for (what, reason) in &manifest.permissions {
        facts.push(("permission", format!("{what}: {reason}")));
    }
    facts.retain(|(_, text)| !text.is_empty());
    facts
}

fn instances(manifest: &Manifest) -> String {
    match manifest.instances.calls_max {
        1 => "a fresh one for each call: plans are reproducible".to_string(),
        calls_max => format!("used for up to {calls_max} calls: plans may depend on earlier ones, not reproducible"),
    }
}

/// The settings that the plugin gets as handles, and where the host puts their values in.
fn secrets(manifest: &Manifest) -> String {
    let properties = manifest.settings.get("properties").and_then(Value::as_object);
    let secret = |(name, schema): (&String, &Value)| {
        (schema.get("secret") == Some(&Value::Bool(true))).then(|| format!("{name} in {}", places(manifest, name)))
    };
    let secrets: Vec<String> = properties.into_iter().flatten().filter_map(secret).collect();
    if secrets.is_empty() { "none".to_string() } else { secrets.join("; ") }
}

fn places(manifest: &Manifest, setting: &str) -> String {
    let places: Vec<String> =
        manifest.secret_use(setting).places.iter().map(|place| format!("{place:?}").to_lowercase()).collect();
    places.join(", ")
}

fn settings(manifest: &Manifest, out: &mut dyn Write) -> anyhow::Result<()> {
    let Some(properties) = manifest.settings.get("properties").and_then(Value::as_object) else { return Ok(()) };
    let required = manifest.settings.get("required").and_then(Value::as_array);
    writeln!(out, "  settings")?;
    for (name, schema) in properties {
        let text = |key: &str| schema.get(key).and_then(Value::as_str).unwrap_or_default();
        let mut marks = vec![text("type").to_string()];
        if required.is_some_and(|required| required.iter().any(|each| each == name)) {
            marks.push("required".to_string());
        }
        if schema.get("secret") == Some(&Value::Bool(true)) {
            marks.push(format!("secret in {}", places(manifest, name)));
        }
        if let Some(default) = schema.get("default") {
            marks.push(format!("default {default}"));
        }
        marks.retain(|mark| !mark.is_empty());
        let about = if text("description").is_empty() { text("title") } else { text("description") };
        writeln!(out, "    {name} ({}) {about}", marks.join("; "))?;
    }
    Ok(())
}

/// The names that the outermost component (or module) imports and exports.
fn surface(wasm: &[u8]) -> anyhow::Result<(Vec<String>, Vec<String>)> {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0usize;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let name = import?.name.name;
                    // There is nothing in the contract's types to call.
                    if !is_types_interface(name) {
                        imports.push(name.to_string());
                    }
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export?.name.name.to_string());
                }
            }
            Payload::ExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export?.name.to_string());
                }
            }
            _ => {}
        }
    }
    Ok((imports, exports))
}

fn limits_json(limits: &Limits) -> Value {
    json!({
        "memory_bytes_max": limits.memory_bytes_max,
        "call_ms_max": limits.call_ms_max,
        "output_bytes_max": limits.output_bytes_max,
        "requests_max": limits.requests_max,
        "file_bytes_max": limits.file_bytes_max,
    })
}
