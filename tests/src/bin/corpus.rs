//! `cargo xtask corpus`: adds the built plugins to tests/corpus, where they are not there yet.

use switchyard_tests::corpus;

fn main() -> anyhow::Result<()> {
    let added = corpus::add()?;
    println!("added: {}", if added.is_empty() { "nothing".to_string() } else { added.join(", ") });
    Ok(())
}
