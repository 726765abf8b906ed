//! `switchyard token`: makes a token for a person, and the lines that let it in.

use clap::Args;
use sha2::{Digest, Sha256};

use crate::admin::random_hex;
use crate::config::Role;

/// Whose, and what it may do.
#[derive(Args)]
pub(super) struct TokenArguments {
    /// Whose it is, as the audit log names it.
    #[arg(long)]
    name: String,
    /// What its holder may do: viewer, editor or admin.
    #[arg(long, value_parser = role)]
    role: Role,
}

fn role(text: &str) -> Result<Role, String> {
    let known = [Role::Viewer, Role::Editor, Role::Admin];
    known.into_iter().find(|role| role.as_str() == text).ok_or_else(|| "write viewer, editor or admin".to_string())
}

pub(super) fn token(arguments: &TokenArguments) -> anyhow::Result<()> {
    let token = random_hex();
    let sha256: String = Sha256::digest(&token).iter().map(|byte| format!("{byte:02x}")).collect();
    let name = serde_json::to_string(&arguments.name)?;
    println!("The token, which is not shown again:\n{token}\n");
    println!("For the configuration file, which holds its hash alone:");
    println!("[[admin.token]]\nname = {name}\nrole = \"{}\"\nsha256 = \"{sha256}\"", arguments.role.as_str());
    Ok(())
}
