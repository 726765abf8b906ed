//! `cargo xtask catalogue`: writes host/docs/catalogue.md.

use anyhow::Context;
use switchyard_tests::catalogue;

fn main() -> anyhow::Result<()> {
    let folders = catalogue::folders()?;
    let file = catalogue::file();
    std::fs::write(&file, catalogue::page(&folders)?).with_context(|| format!("writing {}", file.display()))?;
    println!("{}: {} integrations", file.display(), folders.len());
    Ok(())
}
