//! `switchyard erase | backup | restore`.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use bytes::Bytes;
use hyper::Method;
use serde_json::json;

use super::{AdminArguments, admin_client, print_json};
use crate::queue::{Contents, Existing, contents, restore as restore_store};

pub(super) fn erase(user: &str, admin: &AdminArguments) -> anyhow::Result<()> {
    let call = json!({"user": user});
    let erased = admin_client::call(admin, Method::POST, "erase", Bytes::from(call.to_string()))?;
    if admin.json {
        return print_json(&erased);
    }
    println!(
        "erased {} events and {} dead letters; {} deliveries that had not ended are counted as expired",
        erased["events"], erased["dead_letters"], erased["expired"]
    );
    println!("backups that were made before still hold them");
    Ok(())
}

pub(super) fn backup(file: &Path, admin: &AdminArguments) -> anyhow::Result<()> {
    anyhow::ensure!(!file.exists(), "{} is there already: name another file", file.display());
    let partial = PathBuf::from(format!("{}.partial", file.display()));
    let written = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial);
    let mut written = written.with_context(|| format!("{} cannot be written", partial.display()))?;
    let checked = download(&mut written, &partial, admin);
    if checked.is_err() {
        // What is left of it is of no use.
        let _ = std::fs::remove_file(&partial);
    }
    let contents = checked?;
    std::fs::rename(&partial, file).with_context(|| format!("{} cannot be written", file.display()))?;
    if admin.json {
        return print_json(&serde_json::to_value(&contents)?);
    }
    println!("{}", file.display());
    show(&contents);
    Ok(())
}

fn download(to: &mut File, path: &Path, admin: &AdminArguments) -> anyhow::Result<Contents> {
    admin_client::download(admin, "backup", to)?;
    to.sync_all()?;
    contents(path).context("the backup that came is no good")
}

pub(super) fn restore(file: &Path, data: &Path, existing: Existing) -> anyhow::Result<()> {
    let contents = restore_store(file, data, existing)?;
    println!("{} is restored to {}", file.display(), data.display());
    show(&contents);
    println!("events that were delivered after the backup was made will be delivered again, with the same messageIds");
    Ok(())
}

fn show(contents: &Contents) {
    println!(
        "  format {}, {:.1} MB: {} events accepted, {} kept, {} dead letters",
        contents.format,
        contents.file_bytes as f64 / 1e6,
        contents.accepted,
        contents.kept_events,
        contents.dead_letters.kept
    );
    for (destination, open) in &contents.destinations {
        println!("  {destination}: {open} to be delivered");
    }
}
