//! Plugins: what is installed, what each may do, and putting in another revision.

use maud::{Markup, html};

use super::glyphs::glyph;
use super::integrations::secrets_of;
use super::layout::pagehead;
use super::parts::{bytes, count, destination_address, encoded, note, number};
use super::{Asked, Page, revisions};
use crate::admin::Failure;
use crate::admin::plugins::{PluginView, plugin, plugins};
use crate::config::Role;
use crate::plugin::manifest::Order;

/// The page.
pub async fn page(asked: &Asked) -> Result<Page, Failure> {
    let configured = asked.daemon.configured().await;
    let all = plugins(&configured);
    let status = asked.daemon.plugins_status().await;
    let of =
        |id: &str| status.as_array().into_iter().flatten().find(|own| own["plugin"] == id).cloned().unwrap_or_default();
    let directory = configured.config.plugin_directory.display().to_string();
    let body = html! {
        (pagehead("Plugins", html! { span class="muted small" { (count(all.len() as u64, "plugin", "plugins")) } (revisions::waiting(&status)) }, html! {}))
        @for (path, why) in &configured.refused {
            (note("bad", "dead", html! { b { (path.file_name().unwrap_or_default().to_string_lossy()) " is refused" } p { (why) } p class="muted" { "What runs goes on." } }))
        }
        @if asked.caller.may(Role::Admin) {
            (revisions::form(asked, &directory))
        }
        section class="card" {
            @if all.is_empty() { p class="empty" { "None yet." } }
            @else {
                div class="scroll" { table class="cards" {
                    thead { tr { th scope="col" { "Plugin" } th scope="col" { "Version" } th scope="col" { "Active revision" } th scope="col" { "Contract" } th scope="col" class="right" { "Destinations" } } }
                    tbody { @for own in &all {
                        tr {
                            td { a href={ "/plugins/" (encoded(&own.plugin)) } { (own.name) } div class="small muted" { (own.description) } }
                            td data-label="version" { (own.version) }
                            td data-label="revision" { code title=(own.revision) { (own.revision.get(..12).unwrap_or_default()) } (revisions::tags(&of(&own.plugin))) }
                            td data-label="contract" { (own.contract) }
                            td class="right" data-label="destinations" { (own.destinations.len()) }
                        }
                    } }
                } }
            }
        }
    };
    Ok(Page::new("Plugins", "plugins", body))
}

/// The page of one plugin.
pub async fn plugin_page(asked: &Asked, id: &str) -> Result<Page, Failure> {
    let configured = asked.daemon.configured().await;
    let own = plugin(&configured, id)?;
    let guests = configured.config.guests.clone();
    let revisions = revisions::section(asked, id).await?;
    let body = html! {
        div class="pagehead" {
            nav class="crumbs" aria-label="Path" { a href="/plugins" { "Plugins" } }
            h1 { (own.name) }
            span class="muted small" { (own.description) }
            div class="actions" { @if asked.is_editor() { a class="button" href={ "/integrations/" (encoded(id)) "/add" } { (glyph("plus")) "Add destination" } } }
        }
        div class="columns" {
            div class="stack" { (revisions) (permissions(&own)) (settings(&own)) }
            div class="stack" { (facts(&own)) (limits(&own, &guests)) }
        }
    };
    Ok(Page::new(own.name.clone(), "plugins", body))
}

fn permissions(own: &PluginView) -> Markup {
    let reason = |what: &str| {
        own.manifest
            .permissions
            .get(what)
            .or(own.manifest.permissions.get(&format!("host {what}")))
            .cloned()
            .unwrap_or_default()
    };
    html! {
        section class="card" {
            header { h2 { "Permissions" } span class="small muted" { "with the author's reasons" } }
            div class="scroll" { table class="cards" {
                thead { tr { th scope="col" { "What" } th scope="col" { "Which" } th scope="col" { "Why" } } }
                tbody {
                    @for host in &own.manifest.hosts {
                        @let setting = host.strip_prefix("{settings.").and_then(|rest| rest.strip_suffix('}'));
                        tr {
                            td { "Host" }
                            td { @if let Some(setting) = setting { "the one in the setting " code { (setting) } } @else { code { (host) } } }
                            td class="small" { (reason(host)) }
                        }
                    }
                    @for (setting, used) in secrets_of(&own.manifest) { tr { td { "Secret" } td { code { (setting) } } td class="small" { "put in " (used) } } }
                    tr { td { "Files, clock, network" } td { "none" } td class="small muted" { "the sandbox has none to give" } }
                }
            } }
        }
    }
}

fn settings(own: &PluginView) -> Markup {
    let properties = own.manifest.settings["properties"].as_object();
    let required: Vec<&str> =
        own.manifest.settings["required"].as_array().into_iter().flatten().filter_map(|name| name.as_str()).collect();
    html! {
        section class="card" {
            header { h2 { "Settings" } }
            div class="scroll" { table class="cards" {
                thead { tr { th scope="col" { "Setting" } th scope="col" { "What it is" } th scope="col" { "Default" } } }
                tbody { @for (key, schema) in properties.into_iter().flatten() {
                    tr {
                        td { code { (key) } @if required.contains(&key.as_str()) { " " span class="tag" { "needed" } } @if schema["secret"] == true { " " span class="tag warn" { "secret" } } }
                        td class="small" { b { (schema["title"].as_str().unwrap_or_default()) } " " (schema["description"].as_str().unwrap_or_default()) }
                        td class="small" { @if let Some(default) = schema.get("default") { code { (default) } } }
                    }
                } }
            } }
        }
    }
}

fn facts(own: &PluginView) -> Markup {
    let order = match own.manifest.order {
        Order::None => "none",
        Order::User => "the events of one user, one after the other",
        Order::Strict => "all events, one after the other",
    };
    html! {
        section class="card" {
            header { h2 { "Active revision" } span class="tag ok" { (glyph("ok")) "active" } }
            dl class="facts pad" {
                dt { "Version" } dd { (own.version) }
                dt { "SHA-256" } dd { code { (own.revision) } }
                dt { "Contract" } dd { (own.contract) @if own.has_judge { ", reads answers itself" } }
                dt { "Checked" } dd { (count(own.fixtures as u64, "fixture passes", "fixtures pass")) }
                dt { "Events" } dd { (own.manifest.kinds.join(", ")) }
                dt { "Order" } dd { (order) }
                @if !own.manifest.license.is_empty() { dt { "Licence" } dd { (own.manifest.license) } }
                @if !own.manifest.docs.is_empty() { dt { "Documentation" } dd { (own.manifest.docs) } }
                dt { "Used by" }
                dd { @if own.destinations.is_empty() { "no destination" } @for (at, id) in own.destinations.iter().enumerate() { @if at > 0 { ", " } a href=(destination_address(id)) { (id) } } }
            }
        }
    }
}

fn limits(own: &PluginView, guests: &crate::config::GuestLimits) -> Markup {
    html! {
        section class="card" {
            header { h2 { "Limits" } span class="small muted" { "of each call" } }
            dl class="facts pad" {
                dt { "Batch" } dd { (number(own.manifest.batch.events_max.into())) " events, " (bytes(own.manifest.batch.bytes_max)) }
                dt { "Memory" } dd { (bytes(guests.memory_bytes_max as u64)) }
                dt { "Time" } dd { (guests.call_ms_max) " ms" }
                dt { "Output" } dd { (bytes(guests.output_bytes_max as u64)) ", " (number(guests.requests_max as u64)) " requests" }
            }
        }
    }
}
