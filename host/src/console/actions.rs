//! What forms do. Each calls what `/api/v1` calls, and leads to a page that shows what came of it.

use hyper::StatusCode;

use super::parts::{destination_address, encoded};
use super::settings_form::{Mistakes, changes};
use super::{Answer, Asked, dead_letters, destination, integrations, revisions, sources, transformations};
use crate::admin::destinations::{AddCall, ChangeCall, add, change, needs, pause, remove};
use crate::admin::groups::{filter_of, groups};
use crate::admin::plugins::plugin;
use crate::admin::sources::{KeyChange, add_write_key, change_write_key, remove_write_key, test_event};
use crate::admin::{Failure, configuration, plugins};
use crate::config::Role;
use crate::queue::{DeadFilter, DestinationId};

/// Does what a form asks for.
///
/// # Errors
/// Nothing has changed then.
pub async fn act(asked: &Asked, parts: &[&str]) -> Result<Answer, Failure> {
    let (daemon, caller) = (&asked.daemon, &asked.caller);
    match parts {
        ["integrations", id, "add"] => add_destination(asked, id).await,
        ["destinations", pipeline, name] => change_destination(asked, (pipeline, name)).await,
        ["destinations", pipeline, name, wish @ ("pause" | "resume")] => {
            let id = DestinationId(format!("{pipeline}/{name}"));
            pause(daemon, caller, &id, *wish == "pause").await?;
            Ok(Answer::See(format!("{}?done={wish}d", destination_address(&id.0))))
        }
        ["destinations", pipeline, name, "transformations"] => transformations::act(asked, (pipeline, name)).await,
        ["destinations", pipeline, name, "remove"] => {
            if asked.get("confirm") != Some(*name) {
                return Err(Failure::bad(
                    "not_confirmed",
                    format!("type `{name}` to confirm that it is to be removed"),
                ));
            }
            let number = remove(daemon, caller, (pipeline, name), asked.get("etag")).await?;
            Ok(Answer::See(format!("/integrations?done=removed&r={number}")))
        }
        ["dead-letters", "act"] => letters(asked).await,
        ["replays", number, wish] => {
            let number = number.parse().map_err(|_| Failure::bad("bad_number", "a replay has a number"))?;
            daemon.replays.ask(caller, number, wish)?;
            Ok(Answer::See("/dead-letters".to_string()))
        }
        ["sources", pipeline, "write-keys"] => {
            let (key, _) = add_write_key(daemon, caller, pipeline, asked.get("etag")).await?;
            Ok(Answer::Page(sources::page(asked, Some((pipeline, &key))).await?))
        }
        ["sources", pipeline, "write-keys", number] => write_key(asked, pipeline, number).await,
        ["sources", pipeline, "test-event"] => {
            let message_id = test_event(daemon, caller, pipeline).await?;
            Ok(Answer::See(format!("/events/{}", encoded(&message_id))))
        }
        ["history", number, "rollback"] => {
            let number = number.parse().map_err(|_| Failure::bad("bad_number", "a configuration has a number"))?;
            let saved = configuration::roll_back(daemon, caller, number, asked.get("etag")).await?;
            Ok(Answer::See(format!("/history/{saved}?done=rolled-back&r={saved}")))
        }
        ["plugins"] => {
            if asked.get("wish") == Some("compare") {
                return Ok(Answer::Page(revisions::comparison(asked).await?));
            }
            let installed = plugins::install(daemon, caller, asked.file.clone(), revisions::install_of(asked)?).await?;
            let id = installed["plugin"].as_str().unwrap_or_default();
            Ok(Answer::See(format!("/plugins/{}?done=installed", encoded(id))))
        }
        ["plugins", id, wish @ ("grant" | "promote" | "rollback")] => {
            match *wish {
                "grant" => plugins::grant(daemon, caller, id).await?,
                "promote" => plugins::promote(daemon, caller, id).await?,
                _ => plugins::roll_back(daemon, caller, id, asked.get("to")).await?,
            };
            Ok(Answer::See(format!("/plugins/{}?done={wish}", encoded(id))))
        }
        _ => Err(Failure::unknown("not_found", "there is nothing to do at this address")),
    }
}

/// A refused configuration is shown where it was written; all else on a page of its own.
fn mistakes_of(failure: &Failure) -> Option<Mistakes> {
    let is_own = matches!(
        failure.status,
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT
    );
    is_own.then(|| Mistakes::of(&failure.message))
}

fn hosts(asked: &Asked) -> Option<Vec<String>> {
    asked.get("hosts").map(|_| asked.all("host").map(str::to_string).collect())
}

async fn add_destination(asked: &Asked, id: &str) -> Result<Answer, Failure> {
    needs(&asked.caller, Role::Editor)?;
    let own = plugin(&asked.daemon.configured().await, id)?;
    let settings = match changes(&own.manifest.settings, &serde_json::Map::new(), asked) {
        Ok(settings) => settings,
        Err(mistakes) => return with_status(integrations::add(asked, id, Some(&mistakes)).await?),
    };
    let (pipeline, name) = (asked.get("pipeline").unwrap_or_default(), asked.get("name").unwrap_or_default());
    let call = AddCall {
        name: name.to_string(),
        plugin: id.to_string(),
        settings,
        allowed_hosts: hosts(asked).unwrap_or_default(),
        allowed_addresses: Vec::new(),
        paused: asked.get("paused").is_some(),
    };
    match add(&asked.daemon, &asked.caller, pipeline, call, asked.get("etag")).await {
        Ok(number) => {
            Ok(Answer::See(format!("{}?done=added&r={number}", destination_address(&format!("{pipeline}/{name}")))))
        }
        Err(failure) => match mistakes_of(&failure) {
            Some(mistakes) => with_status(integrations::add(asked, id, Some(&mistakes)).await?),
            None => Err(failure),
        },
    }
}

async fn change_destination(asked: &Asked, (pipeline, name): (&str, &str)) -> Result<Answer, Failure> {
    needs(&asked.caller, Role::Editor)?;
    let view = crate::admin::destinations::destination(&asked.daemon, pipeline, name).await?;
    let own = plugin(&asked.daemon.configured().await, &view.row.plugin)?;
    let settings = match changes(&own.manifest.settings, &view.settings, asked) {
        Ok(settings) => settings,
        Err(mistakes) => return with_status(destination::settings(asked, (pipeline, name), Some(&mistakes)).await?),
    };
    // Hosts that the manifest does not name are no business of this form: they stay.
    let allowed_hosts = hosts(asked).map(|ticked| {
        let others = view.allowed_hosts.iter().filter(|host| !own.manifest.hosts.contains(host)).cloned();
        others.chain(ticked).collect::<Vec<String>>()
    });
    let allowed_hosts = allowed_hosts.filter(|hosts| {
        let set = |hosts: &[String]| hosts.iter().cloned().collect::<std::collections::BTreeSet<_>>();
        set(hosts) != set(&view.allowed_hosts)
    });
    let call = ChangeCall { settings, allowed_hosts, allowed_addresses: None };
    let home = destination_address(&view.row.id);
    if call.settings.is_empty() && call.allowed_hosts.is_none() {
        return Ok(Answer::See(home));
    }
    match change(&asked.daemon, &asked.caller, (pipeline, name), call, asked.get("etag")).await {
        Ok(number) => Ok(Answer::See(format!("{home}?done=saved&r={number}"))),
        Err(failure) => match mistakes_of(&failure) {
            Some(mistakes) => with_status(destination::settings(asked, (pipeline, name), Some(&mistakes)).await?),
            None => Err(failure),
        },
    }
}

fn with_status(mut page: super::Page) -> Result<Answer, Failure> {
    page.status = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(Answer::Page(page))
}

/// Replays or discards the letters that a form names: those that are picked, all of its group, or all that
/// fit its filter.
async fn letters(asked: &Asked) -> Result<Answer, Failure> {
    needs(&asked.caller, Role::Editor)?;
    let discards = asked.get("act") == Some("discard");
    let destination = asked.get("destination").map(|id| DestinationId(id.to_string()));
    let query = asked.get("filter").unwrap_or_default();
    let (filter, wanted) = if let Some(fit) = asked.get("fit") {
        // Those that were shown, and no more of them.
        let wanted: u64 = fit.parse().map_err(|_| Failure::bad("bad_count", "a count is a number"))?;
        let limit = usize::try_from(wanted).unwrap_or(usize::MAX).max(1);
        (DeadFilter { limit, ..filter_of(query)? }, wanted)
    } else if asked.get("all").is_some() {
        let key = asked.get("group").unwrap_or_default();
        let all = groups(&asked.daemon, &asked.caller, query).await?;
        let gone =
            || Failure::unknown("unknown_group", "these dead letters are gone, or there are more of them: look again");
        let own = all.groups.iter().find(|group| group.key == key).ok_or_else(gone)?;
        (DeadFilter { destination, ids: Some(own.ids.clone()), ..DeadFilter::default() }, own.count)
    } else {
        let ids: Vec<u64> = asked.all("id").filter_map(|id| id.parse().ok()).collect();
        if ids.is_empty() {
            return Err(Failure::bad("nothing_picked", "no dead letter is picked: tick some, or all of the reason"));
        }
        let wanted = ids.len() as u64;
        (DeadFilter { destination, ids: Some(ids), ..DeadFilter::default() }, wanted)
    };
    if discards && asked.get("confirm") != Some(&wanted.to_string()) {
        let kept = |name: &String| !matches!(name.as_str(), "csrf" | "confirm" | "act");
        let fields: Vec<(String, String)> = asked.pairs.iter().filter(|(name, _)| kept(name)).cloned().collect();
        let is_mistake = asked.get("confirm").is_some();
        return Ok(Answer::Page(dead_letters::confirm_discard(asked, &fields, wanted, is_mistake)));
    }
    asked.daemon.replays.begin(&asked.daemon, &asked.caller, filter, (wanted, discards)).await?;
    Ok(Answer::See("/dead-letters".to_string()))
}

async fn write_key(asked: &Asked, pipeline: &str, number: &str) -> Result<Answer, Failure> {
    let number: usize = number.parse().map_err(|_| Failure::bad("bad_number", "a write key has a number"))?;
    let limit = |name: &str| match asked.get(name) {
        None => Ok(Some(0)),
        Some(text) => {
            let wrong = || Failure::bad("bad_limit", format!("`{text}` is no whole number"));
            text.parse::<u64>().map(Some).map_err(|_| wrong())
        }
    };
    let call = match asked.get("act").unwrap_or_default() {
        "enable" => KeyChange { enabled: Some(true), ..KeyChange::default() },
        "disable" => KeyChange { enabled: Some(false), ..KeyChange::default() },
        "remove" => {
            let saved = remove_write_key(&asked.daemon, &asked.caller, (pipeline, number), asked.get("etag")).await?;
            return Ok(Answer::See(format!("/sources?done=saved&r={saved}#source-{}", encoded(pipeline))));
        }
        _ => KeyChange {
            enabled: None,
            events_per_second: limit("events_per_second")?,
            bytes_per_second: limit("bytes_per_second")?,
        },
    };
    let saved = change_write_key(&asked.daemon, &asked.caller, (pipeline, number), &call, asked.get("etag")).await?;
    Ok(Answer::See(format!("/sources?done=saved&r={saved}#source-{}", encoded(pipeline))))
}
