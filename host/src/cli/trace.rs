//! `switchyard trace <messageId>`.

use bytes::Bytes;
use hyper::Method;

use super::{AdminArguments, admin_client, print_json, shown_time};

pub(super) fn trace(message_id: &str, admin: &AdminArguments) -> anyhow::Result<()> {
    let path = format!("trace/{}", admin_client::encoded(message_id));
    let stories = admin_client::call(admin, Method::GET, &path, Bytes::new())?;
    if admin.json {
        return print_json(&stories);
    }
    for story in stories.as_array().into_iter().flatten() {
        let text = |name: &str| story[name].as_str().unwrap_or_default();
        let received = shown_time(story["received_ms"].as_u64().unwrap_or_default());
        println!("{} ({}) accepted by {} at {received}", text("message_id"), text("kind"), text("pipeline"));
        for step in story["steps"].as_array().into_iter().flatten() {
            let part = |name: &str| step[name].as_str().unwrap_or_default();
            let mut line = format!(
                "  {}  {:<20} {:<10}",
                shown_time(step["at_ms"].as_u64().unwrap_or_default()),
                part("destination"),
                part("step")
            );
            if !part("request").is_empty() {
                line.push_str(&format!(" {} -> {} in {} ms", part("request"), step["status"], step["took_ms"]));
            }
            if !part("detail").is_empty() {
                line.push_str(&format!("  {}", part("detail")));
            }
            println!("{line}");
        }
    }
    Ok(())
}
