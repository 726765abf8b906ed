//! `switchyard status`.

use bytes::Bytes;
use hyper::Method;
use serde_json::Value;

use super::{AdminArguments, admin_client, print_json, tables};

pub(super) fn status(admin: &AdminArguments) -> anyhow::Result<()> {
    let status = admin_client::call(admin, Method::GET, "status", Bytes::new())?;
    if admin.json {
        return print_json(&status);
    }
    println!("{}", head(&status));
    let rows = status["destinations"].as_array().into_iter().flatten().map(row).collect::<Vec<_>>();
    let titles =
        ["destination", "state", "accepted", "delivered", "filtered", "dead", "waiting", "owed", "lag", "revision"];
    print_table(&titles, &rows);
    tables::print_guests(&status);
    tables::print_violations(&status);
    for plugin in status["plugins"].as_array().into_iter().flatten() {
        if let Some(refused) = plugin["refused"].as_str() {
            println!("refused: {}: {refused}", plugin["file"].as_str().unwrap_or_default());
        }
    }
    for plugin in status["plugins"].as_array().into_iter().flatten() {
        let (name, short) = (plugin["plugin"].as_str().unwrap_or_default(), |text: &Value| {
            text.as_str().unwrap_or_default().chars().take(12).collect::<String>()
        });
        if plugin["trial"].is_object() {
            let trial = &plugin["trial"];
            println!("on trial: {name} {}, with {} % of the users", short(&trial["revision"]), trial["percent"]);
        }
        if plugin["held"].is_object() {
            println!(
                "waits: {name} {} asks for more: `switchyard plugin grant {name}`",
                short(&plugin["held"]["revision"])
            );
        }
    }
    for destination in status["destinations"].as_array().into_iter().flatten() {
        if let Some(why) = destination["why"].as_str().filter(|why| !why.is_empty()) {
            println!("{}: {why}", destination["destination"].as_str().unwrap_or_default());
        }
    }
    Ok(())
}

fn head(status: &Value) -> String {
    let store = &status["store"];
    let mut head = format!(
        "switchyard {}: {} events accepted, {} kept in {:.1} MB",
        status["version"].as_str().unwrap_or_default(),
        store["accepted"],
        store["kept_events"],
        store["kept_bytes"].as_f64().unwrap_or_default() / 1e6
    );
    let letters = &store["dead_letters"];
    if letters["kept"].as_u64() > Some(0) || letters["expired"].as_u64() > Some(0) {
        head.push_str(&format!(
            "\n{} dead letters kept in {:.1} MB, {} expired, {} discarded",
            letters["kept"],
            letters["bytes"].as_f64().unwrap_or_default() / 1e6,
            letters["expired"],
            letters["discarded"]
        ));
    }
    if let Some(proxy) = status["egress"]["proxy"]["https"].as_str() {
        head.push_str(&format!("\nrequests leave through a proxy ({proxy}), and the addresses are its to check"));
    }
    if let Some(poisoned) = store["poisoned"].as_str() {
        head.push_str(&format!("\nTHE STORE FAILED and accepts nothing until the daemon is started again: {poisoned}"));
    }
    head
}

fn row(destination: &Value) -> Vec<String> {
    let number = |name: &str| destination[name].to_string();
    let text = |name: &str| destination[name].as_str().unwrap_or_default().to_string();
    vec![
        text("destination"),
        text("state"),
        number("accepted"),
        number("delivered"),
        number("filtered"),
        number("dead"),
        number("waiting"),
        number("owed"),
        format!("{:.1} s", destination["lag_ms"].as_f64().unwrap_or_default() / 1_000.0),
        text("revision"),
    ]
}

/// Prints rows under their titles, in columns.
pub(super) fn print_table(titles: &[&str], rows: &[Vec<String>]) {
    let mut widths: Vec<usize> = titles.iter().map(|title| title.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        println!("{}", padded.join("  ").trim_end());
    };
    line(titles.to_vec());
    for row in rows {
        line(row.iter().map(String::as_str).collect());
    }
}
