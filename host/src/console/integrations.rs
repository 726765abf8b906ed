//! The catalogue of integrations, and adding a destination.

use maud::{Markup, html};
use serde_json::Map;

use super::glyphs::glyph;
use super::layout::pagehead;
use super::parts::{csrf, destination_address, encoded, note};
use super::settings_form::{Mistakes, fields};
use super::{Asked, Page};
use crate::admin::Failure;
use crate::admin::plugins::{PluginView, plugin, plugins};
use crate::plugin::manifest::{Manifest, Place};

/// The page.
pub async fn page(asked: &Asked) -> Result<Page, Failure> {
    let configured = asked.daemon.configured().await;
    let all = plugins(&configured);
    let rows = crate::admin::destinations::destinations(&asked.daemon).await?;
    let pipeline = asked.get("pipeline").map(|name| format!("?pipeline={}", encoded(name))).unwrap_or_default();
    let body = html! {
        (pagehead("Integrations", html! { span class="muted small" { (all.len()) " installed, " (rows.len()) " destinations" } }, html! {}))
        @if !rows.is_empty() {
            section class="card" {
                header { h2 { "Destinations" } }
                div class="scroll" { table class="cards" {
                    thead { tr { th scope="col" { "Destination" } th scope="col" { "Integration" } th scope="col" { "Health" } th scope="col" { span class="visually-hidden" { "Actions" } } } }
                    tbody { @for row in &rows {
                        tr {
                            td { a href=(destination_address(&row.id)) { (row.id) } }
                            td { (row.title) " " span class="small muted" { (row.version) } }
                            td { (super::parts::state(&row.health)) }
                            td class="right" { a href={ (destination_address(&row.id)) "/deliveries" } { "Deliveries" } }
                        }
                    } }
                } }
            }
        }
        h2 { "Catalogue" }
        div class="tiles" { @for own in &all { (tile(asked, own, &pipeline)) } }
        @if all.is_empty() { p class="empty card" { "No plugin is installed: put a .wasm file into the plugin directory, or upload one under Plugins." } }
    };
    Ok(Page::new("Integrations", "integrations", body))
}

fn tile(asked: &Asked, own: &PluginView, pipeline: &str) -> Markup {
    html! {
        article class="card tile" {
            h3 { (own.name) }
            p { (own.description) }
            p class="small" {
                @match own.destinations.len() {
                    0 => "Not used yet",
                    1 => { "Used by " (own.destinations[0]) }
                    many => { "Used by " (many) " destinations" }
                }
            }
            div class="row" {
                @if asked.is_editor() { a class="button" href={ "/integrations/" (encoded(&own.plugin)) "/add" (pipeline) } aria-label={ "Add " (own.name) } { (glyph("plus")) "Add" } }
                a href={ "/plugins/" (encoded(&own.plugin)) } { "What it may do" }
            }
        }
    }
}

/// The form for a new destination.
pub async fn add(asked: &Asked, id: &str, mistakes: Option<&Mistakes>) -> Result<Page, Failure> {
    let configured = asked.daemon.configured().await;
    let own = plugin(&configured, id)?;
    let pipelines: Vec<&str> = configured.config.pipelines.iter().map(|pipeline| pipeline.id.as_str()).collect();
    let etag = asked.daemon.configuration().await?.etag;
    let chosen = asked.get("pipeline").or(pipelines.first().copied()).unwrap_or_default();
    let action = format!("/integrations/{}/add", encoded(id));
    let body = html! {
        div class="pagehead" {
            nav class="crumbs" aria-label="Path" { a href="/integrations" { "Integrations" } " / " (own.name) }
            h1 { "Add " (own.name) }
            span class="muted small" { (own.description) }
        }
        @if let Some(mistakes) = mistakes { (note("bad", "dead", html! { (mistakes.message) })) }
        form class="card" method="post" action=(action) {
            (csrf(asked))
            input type="hidden" name="etag" value=(etag);
            div class="pad form" {
                div class="formrow" {
                    label for="pipeline" { "Pipeline" }
                    div class="control" {
                        select id="pipeline" name="pipeline" { @for name in &pipelines { option value=(name) selected[*name == chosen] { (name) } } }
                        p class="hint" { "Whose events it gets." }
                    }
                }
                div class="formrow" {
                    label for="name" { "Name" }
                    div class="control" {
                        input id="name" name="name" required maxlength="64" pattern="[A-Za-z0-9._\\-]+" autocomplete="off" value=(asked.get("name").unwrap_or(&own.plugin));
                        p class="hint" { "Letters, digits, - _ and . An event's integrations object may call it by this name." }
                    }
                }
                (fields(&own.manifest.settings, &Map::new(), asked, mistakes))
            }
            div class="pad form" { (grants(asked, &own.manifest, None)) }
            div class="savebar" {
                button class="go" name="paused" value="" { "Add destination" }
                button name="paused" value="true" { "Add, paused" }
                span class="small muted" { "It begins with the next event. Nothing that is saved is lost when a mistake is found: the whole configuration is checked first." }
            }
        }
    };
    Ok(Page::new(format!("Add {}", own.name), "integrations", body))
}

/// What is granted, in words: hosts to choose, and what becomes of each secret.
pub fn grants(asked: &Asked, manifest: &Manifest, granted: Option<&[String]>) -> Markup {
    let fixed: Vec<&String> = manifest.hosts.iter().filter(|host| !host.starts_with('{')).collect();
    let of_settings: Vec<&str> = manifest
        .hosts
        .iter()
        .filter_map(|host| host.strip_prefix("{settings.").and_then(|rest| rest.strip_suffix('}')))
        .collect();
    let reason = |host: &str| {
        manifest
            .permissions
            .get(host)
            .or(manifest.permissions.get(&format!("host {host}")))
            .cloned()
            .unwrap_or_default()
    };
    html! {
        h2 { "What it may do" }
        @if !fixed.is_empty() {
            fieldset class="formrow" {
                span class="label" { "Hosts" }
                div class="control" {
                    input type="hidden" name="hosts" value="1";
                    @for host in fixed {
                        label class="check" {
                            input type="checkbox" name="host" value=(host) disabled[!asked.is_editor()]
                                checked[granted.is_none_or(|granted| granted.contains(host))];
                            span { "May send to " code { (host) } " " span class="small muted" { (reason(host)) } }
                        }
                    }
                    p class="hint" { "It reaches no host that is not ticked. Private addresses stay out of reach unless the configuration allows them." }
                }
            }
        }
        @for setting in of_settings {
            div class="formrow" { span class="label" { "Host of a setting" } p { "May send to the host in " code { (setting) } ": writing it there grants it. " span class="small muted" { (reason(&format!("{{settings.{setting}}}"))) } } }
        }
        @for (setting, used) in secrets_of(manifest) {
            div class="formrow" {
                span class="label" { "Secret" }
                p { code { (setting) } " is put in by the daemon, and only " (used) "; the plugin itself never sees it." }
            }
        }
        div class="formrow" { span class="label" { "Nothing else" } p class="muted" { "No files, no clock, no other network; it is stopped when it takes too long or too much memory." } }
    }
}

/// Each secret setting with the places it is put into, in words.
pub fn secrets_of(manifest: &Manifest) -> Vec<(String, String)> {
    let properties = manifest.settings["properties"].as_object();
    let secret = properties
        .into_iter()
        .flatten()
        .map(|(key, _)| key)
        .filter(|key| crate::daemon::is_secret(&manifest.settings, key));
    secret
        .map(|key| {
            let used = manifest.secret_use(key);
            let places: Vec<&str> = used
                .places
                .iter()
                .map(|place| match place {
                    Place::Auth => "as authentication of a request",
                    Place::Query => "as a query parameter for authentication",
                    Place::Body => "into the body of a request",
                    Place::Url => "into the address of a request",
                })
                .collect();
            let reason = if used.reason.is_empty() {
                String::new()
            } else {
                format!(" ({})", used.reason.trim_end_matches('.'))
            };
            (key.clone(), format!("{}{reason}", places.join(", ")))
        })
        .collect()
}
