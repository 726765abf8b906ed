//! The operator's token: made at the first start, kept in the data directory (0600).

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;

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
    /// Reads the token of a data directory, and makes one where there is none.
    pub fn read_or_make(data_directory: &Path) -> anyhow::Result<Token> {
        let path = data_directory.join(TOKEN_FILE);
        if path.exists() {
            return Token::read(data_directory);
        }
        let mut bytes = [0_u8; 24];
        getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("{} cannot be made", path.display()))?;
        file.write_all(text.as_bytes()).with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(Token(text))
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

    /// Whether an `Authorization` header carries the token. Takes as long for every wrong one.
    pub fn allows(&self, header: Option<&[u8]>) -> bool {
        let expected = self.bearer();
        let given = header.unwrap_or_default();
        let differing = given.iter().zip(expected.as_bytes()).fold(0, |sum, (one, other)| sum | (one ^ other));
        given.len() == expected.len() && differing == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_kept_private() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        assert!(Token::read(directory.path()).is_err());
        let token = Token::read_or_make(directory.path()).unwrap();
        assert_eq!(Token::read_or_make(directory.path()).unwrap(), token);
        let mode = std::fs::metadata(directory.path().join(TOKEN_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(token.allows(Some(token.bearer().as_bytes())));
        assert!(!token.allows(Some(b"Bearer x")));
        assert!(!token.allows(None));
        assert_eq!(format!("{token:?}"), "Token(..)");
    }
}
