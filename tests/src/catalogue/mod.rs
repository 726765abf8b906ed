//! host/docs/catalogue.md: what each integration does, for people who choose one. Made from the
//! manifests in plugins/, read as the host reads them.
//!
//! The same manifests give the same text, byte for byte, whatever the order of the folders. What a
//! manifest says is text: nothing of it becomes markup.

mod settings;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use switchyard::event::EventKind;
use switchyard::plugin::manifest::{Manifest, Order, Place};
use switchyard::plugin::project;

use crate::paths;

/// What makes the file anew, for messages.
pub const COMMAND: &str = "cargo xtask catalogue";

const OPENING: &str = "\
# Catalogue of integrations
What each integration does, which events it takes, what you can set, where it sends and what it needs. A destination of your configuration names the plugin; how to write one is in [operating](operating.md).

This page is made by `cargo xtask catalogue` from `plugins/*/plugin.toml`: change those, not this file.
";

/// The file.
pub fn file() -> PathBuf {
    paths::root().join("host/docs/catalogue.md")
}

/// The folders in plugins/ that have a manifest.
///
/// # Errors
/// When plugins/ cannot be read.
pub fn folders() -> anyhow::Result<Vec<PathBuf>> {
    let parent = paths::root().join("plugins");
    let entries = std::fs::read_dir(&parent).with_context(|| format!("reading {}", parent.display()))?;
    let mut folders: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.retain(|folder| folder.join(project::FILE).is_file());
    folders.sort();
    Ok(folders)
}

/// What the manifests of these folders give.
///
/// # Errors
/// When a manifest is not good; names the file and the line.
pub fn page(folders: &[PathBuf]) -> anyhow::Result<String> {
    let mut manifests = folders.iter().map(|folder| manifest(folder)).collect::<anyhow::Result<Vec<_>>>()?;
    manifests.sort_by_key(|manifest| (manifest.name.to_lowercase(), manifest.id.clone()));
    let mut text = OPENING.to_string();
    overview(&mut text, &manifests);
    for manifest in &manifests {
        integration(&mut text, manifest);
    }
    Ok(text)
}

/// The catalogue shows no version, so that a release does not change it.
fn manifest(folder: &Path) -> anyhow::Result<Manifest> {
    Ok(project::read(folder, Some("0.0.0"))?)
}

fn overview(text: &mut String, manifests: &[Manifest]) {
    line(text, "\n| integration | what it does | events | you must set |\n|---|---|---|---|");
    for manifest in manifests {
        let link = format!("[{}](#{})", plain(&manifest.name), anchor(&manifest.name));
        let needed = settings::required(&manifest.settings);
        let needed = if needed.is_empty() { "nothing".to_string() } else { needed.join(", ") };
        line(text, &format!("| {link} | {} | {} | {needed} |", plain(&manifest.description), kinds(manifest)));
    }
}

fn integration(text: &mut String, manifest: &Manifest) {
    line(text, &format!("\n## {}", plain(&manifest.name)));
    let id = &manifest.id;
    let readme = format!("[Its README](../../plugins/{id}/README.md)");
    line(text, &format!("{} {readme} says what becomes of which event.\n", plain(&manifest.description)));
    line(text, &format!("- **In the configuration**: `plugin = \"{id}\"`"));
    line(text, &format!("- **Events**: {}.", kinds(manifest)));
    line(text, &format!("- **Order**: {}", order(manifest.order)));
    let (events, bytes) = (thousands(u64::from(manifest.batch.events_max)), size(manifest.batch.bytes_max));
    line(text, &format!("- **Batch**: at most {events} events or {bytes} of them are worked on together."));
    hosts(text, manifest);
    secrets(text, manifest);
    settings::table(text, &manifest.settings);
}

fn hosts(text: &mut String, manifest: &Manifest) {
    line(text, "\n| it sends to | why |\n|---|---|");
    for host in &manifest.hosts {
        let setting = host.strip_prefix("{settings.").and_then(|rest| rest.strip_suffix('}'));
        let name = match setting {
            Some(setting) => format!("the host in the setting `{setting}`"),
            None => format!("`{host}`"),
        };
        let why = manifest.permissions.get(host).map(String::as_str).unwrap_or_default();
        line(text, &format!("| {name} | {} |", plain(why)));
    }
    for (what, why) in manifest.permissions.iter().filter(|(what, _)| !manifest.hosts.contains(what)) {
        line(text, &format!("| {} | {} |", plain(what), plain(why)));
    }
}

/// Each secret setting, those without a use of their own included.
fn secrets(text: &mut String, manifest: &Manifest) {
    let names = settings::secret(&manifest.settings);
    if names.is_empty() {
        return;
    }
    line(text, "\nThe plugin never sees a secret: the daemon puts it in when it sends.\n");
    line(text, "| secret | where it goes | why there |\n|---|---|---|");
    for name in names {
        let used = manifest.secret_use(&name);
        let places: Vec<&str> = used.places.iter().map(|place| place_name(*place)).collect();
        line(text, &format!("| `{name}` | {} | {} |", places.join(", "), plain(&used.reason)));
    }
}

fn place_name(place: Place) -> &'static str {
    match place {
        Place::Auth => "authentication of the request",
        Place::Query => "a parameter of the address, as authentication",
        Place::Body => "the body",
        Place::Url => "the address",
    }
}

fn order(order: Order) -> &'static str {
    match order {
        Order::None => "events are sent as they can be.",
        Order::User => "the events of one user are sent one after the other.",
        Order::Strict => "all events are sent one after the other.",
    }
}

fn kinds(manifest: &Manifest) -> String {
    let all = EventKind::ALL.iter().all(|kind| manifest.kinds.iter().any(|name| name == kind.as_str()));
    if all { "all kinds".to_string() } else { manifest.kinds.join(", ") }
}

fn line(text: &mut String, line: &str) {
    let _ = writeln!(text, "{line}");
}

/// 1,000 and the like.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn size(bytes: u64) -> String {
    match bytes {
        _ if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) => format!("{} MiB", thousands(bytes >> 20)),
        _ if bytes >= 1 << 10 && bytes.is_multiple_of(1 << 10) => format!("{} KiB", thousands(bytes >> 10)),
        _ => format!("{} bytes", thousands(bytes)),
    }
}

/// Where GitHub's Markdown puts a heading: lower case, `-` for spaces, other signs left out.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|sign| sign.is_alphanumeric() || matches!(sign, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|sign| if sign == ' ' { '-' } else { sign }).collect()
}

/// A text in a table's cell as it stands, whatever marks it has. `_` inside a word is no mark.
fn plain(text: &str) -> String {
    let signs: Vec<char> = text.chars().collect();
    let mut plain = String::with_capacity(text.len());
    for (at, sign) in signs.iter().enumerate() {
        let is_word = |at: Option<usize>| at.and_then(|at| signs.get(at)).is_some_and(|sign| sign.is_alphanumeric());
        match sign {
            '_' if is_word(at.checked_sub(1)) && is_word(Some(at + 1)) => plain.push('_'),
            '\\' | '*' | '_' | '[' | ']' | '`' | '|' | '<' | '#' | '~' => plain.extend(['\\', *sign]),
            '\n' => plain.push(' '),
            _ => plain.push(*sign),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::{anchor, page, plain, size, thousands};

    const PLUGIN: &str = r#"
id = "example"
name = "Example & Sons"
description = "Sends *all* of it."
kinds = ["track", "page"]
order = "user"

[hosts]
"api.example.com" = "Events go here."
"{settings.endpoint}" = "Replaces it."

[batch]
events_max = 2000
bytes_max = 2097152

[settings.api_key]
type = "string"
title = "API key"
description = "Under Settings."
required = true
secret = true

[settings.token]
type = "string"
title = "Token"
secret = true

[settings.endpoint]
type = "string"
title = "Endpoint"

[secrets.api_key]
use = ["query", "body"]
reason = "Read there."
"#;

    #[test]
    fn a_page_says_all_that_a_manifest_says() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plugin.toml");
        std::fs::write(&file, PLUGIN).unwrap();
        let folders = [folder.path().to_path_buf()];
        let text = page(&folders).unwrap();
        for wanted in [
            "| [Example & Sons](#example--sons) | Sends \\*all\\* of it. | track, page | API key |\n",
            "\n## Example & Sons\n",
            "[Its README](../../plugins/example/README.md)",
            "- **Order**: the events of one user are sent one after the other.\n",
            "- **Batch**: at most 2,000 events or 2 MiB of them are worked on together.\n",
            "| `api.example.com` | Events go here. |\n| the host in the setting `endpoint` | Replaces it. |\n",
            "| `api_key` | a parameter of the address, as authentication, the body | Read there. |\n",
            "| `token` | authentication of the request |  |\n",
        ] {
            assert!(text.contains(wanted), "{wanted} is not in\n{text}");
        }
        std::fs::write(&file, PLUGIN.replace("events_max", "events")).unwrap();
        let error = page(&folders).unwrap_err().to_string();
        assert!(error.contains("plugin.toml:"), "{error}");
    }

    #[test]
    fn texts_stay_texts() {
        for (text, wanted) in [
            ("a_b and _ga", "a_b and \\_ga"),
            ("*{{name}}*[[ x]] | <a>", "\\*{{name}}\\*\\[\\[ x\\]\\] \\| \\<a>"),
            ("two\nlines", "two lines"),
        ] {
            assert_eq!(plain(text), wanted);
        }
        assert_eq!(anchor("Meta Conversions API"), "meta-conversions-api");
        assert_eq!(anchor("Customer.io"), "customerio");
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([1, 1_024, 1_048_576, 1_048_577].map(size), ["1 bytes", "1 KiB", "1 MiB", "1,048,577 bytes"]);
    }
}
