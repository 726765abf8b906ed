//! The operator's token: made at the first start, kept in the data directory (0600).

use std::path::Path;

use anyhow::Context;

use crate::daemon::write_whole;

/// The token's file in the data directory.
pub const TOKEN_FILE: &str = "admin-token";

/// A credential whose Debug prints nothing.
#[derive(Clone, PartialEq)]
pub struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Token(..)")
    }
}

impl Token {
    /// Reads the token of a data directory, and makes one where there is none. Says whether it was made.
    pub fn read_or_make(data_directory: &Path) -> anyhow::Result<(Token, bool)> {
        let path = data_directory.join(TOKEN_FILE);
        if path.exists() {
            return Ok((Token::read(data_directory)?, false));
        }
        let text = random_hex();
        // Whole and durable, or not at all: with half a token the daemon does not start.
        write_whole(&path, text.as_bytes()).with_context(|| format!("{} cannot be made", path.display()))?;
        Ok((Token(text), true))
    }

    /// Reads the token of a data directory.
    pub fn read(data_directory: &Path) -> anyhow::Result<Token> {
        let path = data_directory.join(TOKEN_FILE);
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!("{} cannot be read: has the daemon been started with this configuration?", path.display())
        })?;
        let text = text.trim();
        anyhow::ensure!(text.len() >= 16, "{} holds no token: remove it and start the daemon again", path.display());
        Ok(Token(text.to_string()))
    }

    /// The value of an `Authorization` header.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// Whether it is this text. Takes as long for every wrong one.
    pub fn is(&self, text: &str) -> bool {
        let (given, own) = (text.as_bytes(), self.0.as_bytes());
        let differing = given.iter().zip(own).fold(0, |sum, (one, other)| sum | (one ^ other));
        given.len() == own.len() && differing == 0
    }

    /// The token itself, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// A token that somebody gave.
    pub fn given(text: &str) -> Token {
        Token(text.trim().to_string())
    }
}

/// 256 random bits as hexadecimal digits: a credential that cannot be guessed.
///
/// # Panics
/// When the system has no random bytes, without which nothing here is safe.
pub fn random_hex() -> String {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_kept_private() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        assert!(Token::read(directory.path()).is_err());
        let (token, made) = Token::read_or_make(directory.path()).unwrap();
        assert!(made);
        assert_eq!(Token::read_or_make(directory.path()).unwrap(), (token.clone(), false));
        let mode = std::fs::metadata(directory.path().join(TOKEN_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(token.is(token.reveal()));
        assert!(!token.is("x") && !token.is("") && !token.is(&token.reveal()[1..]));
        assert_eq!(format!("{token:?}"), "Token(..)");
    }
}
