//! `switchyard pause` and `switchyard resume`.

use bytes::Bytes;
use hyper::Method;

use super::{AdminArguments, admin_client, print_json};

/// Which destination.
#[derive(clap::Args)]
pub(super) struct Which {
    /// The destination, as `<pipeline>/<name>`.
    destination: String,
    #[command(flatten)]
    admin: AdminArguments,
}

/// Pauses a destination or lets it go on.
pub(super) fn pause(which: &Which, paused: bool) -> anyhow::Result<()> {
    let call = if paused { "pause" } else { "resume" };
    let Some((pipeline, name)) = which.destination.split_once('/') else {
        anyhow::bail!("`{}` is not a destination: write <pipeline>/<name>, as `status` shows it", which.destination);
    };
    let path = format!("destinations/{}/{}/{call}", admin_client::encoded(pipeline), admin_client::encoded(name));
    let answer = admin_client::call(&which.admin, Method::POST, &path, Bytes::new())?;
    if which.admin.json {
        return print_json(&answer);
    }
    match paused {
        true => println!("{} is paused: its events wait, and nothing is lost", which.destination),
        false => println!("{} goes on", which.destination),
    }
    Ok(())
}
