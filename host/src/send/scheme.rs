//! The parameters of a named scheme, `name=value` with single spaces between, secrets put in. Pure.

use super::auth::{AuthError, in_auth};
use crate::plugin::handles::Handles;

/// The parameters of one scheme. They may hold secrets, so it has no Debug.
pub(super) struct Parameters<'p> {
    scheme: &'p str,
    pairs: Vec<(&'p str, String)>,
}

impl<'p> Parameters<'p> {
    /// Reads them. Those of `repeated` may come several times.
    pub(super) fn read(
        scheme: &'p str,
        text: &'p str,
        known: &[&str],
        repeated: &[&str],
        handles: &Handles,
    ) -> Result<Parameters<'p>, AuthError> {
        let mut parameters = Parameters { scheme, pairs: Vec::new() };
        for part in text.split(' ').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let may_repeat = repeated.contains(&name);
            if !may_repeat && !known.contains(&name) {
                let all = [known, repeated].concat().join(", ");
                return Err(parameters.wrong(format!("has a parameter that it does not know; it knows {all}")));
            }
            if value.is_empty() {
                return Err(parameters.wrong(format!("needs a value for {name}=")));
            }
            if !may_repeat && parameters.one(name).is_some() {
                return Err(parameters.wrong(format!("has {name}= twice")));
            }
            parameters.pairs.push((name, in_auth(value, handles)?.into_owned()));
        }
        Ok(parameters)
    }

    /// The value of a parameter.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The values of a parameter that may come several times.
    pub(super) fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        self.pairs.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that must be there.
    pub(super) fn needed(&self, name: &str) -> Result<&str, AuthError> {
        self.one(name).ok_or_else(|| self.wrong(format!("needs {name}=")))
    }

    /// A mistake in this scheme.
    pub(super) fn wrong(&self, what: String) -> AuthError {
        AuthError::Scheme { scheme: self.scheme.to_string(), what }
    }
}
