//! What an OCI registry wants to know of who fetches from it: its challenge, and a login for it. Pure.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::source::is_safe;

/// A name and a password for a registry. Debug prints no password.
#[derive(Clone, PartialEq)]
pub struct Login {
    username: String,
    password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Login({})", self.username)
    }
}

impl Login {
    /// A login; the name has no colon, since that ends it where both are sent.
    ///
    /// # Errors
    /// Says what would be right, without the password.
    pub fn new(username: &str, password: &str) -> Result<Login, &'static str> {
        match username.is_empty() || password.is_empty() || username.contains(':') {
            true => Err("a login has a username without a colon, and a password"),
            false => Ok(Login { username: username.to_string(), password: password.to_string() }),
        }
    }

    /// The name.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The header that shows it.
    pub fn header(&self) -> (String, String) {
        let both = STANDARD.encode(format!("{}:{}", self.username, self.password));
        ("authorization".to_string(), format!("Basic {both}"))
    }
}

/// What a registry answers to who shows nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Challenge {
    /// The login itself is to be shown.
    Basic,
    /// A token, which this URL gives: to a login, or to anybody.
    Token(String),
}

/// Reads `Basic realm=".."`, or
/// `Bearer realm="https://auth.example/token",service="registry.example",scope="repository:x:pull"`. A token
/// is only fetched over https, or from this machine: a login is shown there.
pub fn challenge(header: &str) -> Option<Challenge> {
    let (scheme, parameters) = header.split_once(' ').unwrap_or((header, ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let parameter = |name: &str| {
        let rest = &parameters[parameters.find(&format!("{name}=\""))? + name.len() + 2..];
        rest.split('"').next()
    };
    let realm = parameter("realm").filter(|realm| is_safe(realm))?;
    let query = ["service", "scope"].into_iter().filter_map(|name| Some(format!("{name}={}", parameter(name)?)));
    let query = query.collect::<Vec<_>>().join("&");
    Some(Challenge::Token(if query.is_empty() { realm.to_string() } else { format!("{realm}?{query}") }))
}

/// The login of a registry in the file that `docker login` and its like write. One that a credential helper
/// keeps is not there.
///
/// # Errors
/// What is wrong with the file, without what it holds.
pub fn login_of_docker(file: &[u8], registry: &str) -> Result<Option<Login>, String> {
    let file: Value = serde_json::from_slice(file).map_err(|_| "it is no JSON".to_string())?;
    let host = |key: &str| {
        let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
        key.split('/').next().unwrap_or_default().to_string()
    };
    let mut all = file["auths"].as_object().into_iter().flatten();
    let Some((_, own)) = all.find(|(key, _)| host(key) == registry) else { return Ok(None) };
    let Some(auth) = own["auth"].as_str().filter(|auth| !auth.is_empty()) else { return Ok(None) };
    let both = STANDARD.decode(auth).ok().and_then(|both| String::from_utf8(both).ok());
    let both = both.ok_or_else(|| format!("`auth` of {registry} is no base64 of a name and a password"))?;
    let (username, password) = both.split_once(':').unwrap_or((&both, ""));
    Login::new(username, password).map(Some).map_err(|error| format!("`auth` of {registry}: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn challenges_say_where_a_token_is() {
        let bearer =
            r#"Bearer realm="https://auth.example/token",service="registry.example",scope="repository:x:pull""#;
        let url = "https://auth.example/token?service=registry.example&scope=repository:x:pull";
        assert_eq!(challenge(bearer), Some(Challenge::Token(url.to_string())));
        assert_eq!(challenge("bearer realm=\"https://a.example\""), Some(Challenge::Token("https://a.example".into())));
        assert_eq!(challenge("Basic realm=\"x\""), Some(Challenge::Basic));
        for none in ["", "Digest realm=\"x\"", "Bearer", "Bearer realm=\"http://auth.example/token\""] {
            assert_eq!(challenge(none), None, "{none}");
        }
    }

    #[test]
    fn dockers_file_has_logins_by_registry() {
        let auth = STANDARD.encode("robot:pass:word");
        let file = json!({"auths": {
            "https://ghcr.io/v1/": {"auth": auth}, "kept.example": {}, "broken.example": {"auth": "%"},
            "localhost:5000": {"auth": STANDARD.encode("nobody")},
        }});
        let of = |registry: &str| login_of_docker(file.to_string().as_bytes(), registry);
        let login = of("ghcr.io").unwrap().unwrap();
        assert_eq!(login, Login::new("robot", "pass:word").unwrap());
        assert_eq!(login.header().1, format!("Basic {auth}"));
        assert_eq!(format!("{login:?}"), "Login(robot)");
        assert_eq!((of("kept.example"), of("other.example")), (Ok(None), Ok(None)));
        for wrong in ["broken.example", "localhost:5000"] {
            assert!(of(wrong).unwrap_err().contains(wrong));
        }
        assert!(login_of_docker(b"nonsense", "ghcr.io").is_err());
    }
}
