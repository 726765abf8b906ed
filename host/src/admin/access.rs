//! Who asks: by a token, or by a session that a token opened. A token's holder may do what her role
//! says at that moment: a token that is taken out of the configuration ends its sessions.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, RwLock};

use sha2::{Digest, Sha256};

use super::sign_ins::SignIns;
use super::token::{Token, random_hex};
use crate::config::{AdminConfig, Role};

/// The holder of the token in the data directory.
pub const OPERATOR: &str = "operator";

/// Sessions at a time; beyond, the one that was used the longest ago ends.
const SESSIONS_MAX: usize = 1_000;

/// A session ends when it was not used for so long: a working day.
const SESSION_IDLE_MS: u64 = 12 * 3_600_000;

/// A session ends after so long, however much it is used: a week.
const SESSION_MS: u64 = 7 * 24 * 3_600_000;

/// Who asks, and what she may do.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Person {
    /// The token's name.
    pub name: String,
    /// What it may do.
    pub role: Role,
}

/// Who asks, and from where: what the audit log tells of a change.
#[derive(Clone, Debug, PartialEq)]
pub struct Caller {
    /// Who.
    pub person: Person,
    /// From where.
    pub from: IpAddr,
}

impl Caller {
    /// Whether she may do what needs that role.
    pub fn may(&self, role: Role) -> bool {
        self.person.role >= role
    }
}

/// Why a sign-in was refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Refused {
    /// There is no such token.
    Unknown,
    /// Too many were wrong from there: again after so many seconds.
    TooMany(u64),
}

/// Which token it was.
#[derive(Clone, Debug, PartialEq)]
enum Holder {
    First,
    Named { name: String, sha256: [u8; 32] },
}

#[derive(Clone, Debug)]
struct Session {
    holder: Holder,
    csrf: String,
    began_ms: u64,
    used_ms: u64,
}

/// A session that goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct SignedIn {
    /// Who.
    pub person: Person,
    /// What each of her forms carries, so that no other site can send one.
    pub csrf: String,
}

/// Tokens and sessions. Debug prints none of them.
pub struct Access {
    first: Token,
    config: RwLock<Arc<AdminConfig>>,
    sessions: Mutex<HashMap<String, Session>>,
    sign_ins: Mutex<SignIns>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Access(..)")
    }
}

impl Access {
    /// With nobody signed in.
    pub fn new(first: Token, config: AdminConfig) -> Access {
        let (sessions, sign_ins) = (Mutex::default(), Mutex::default());
        Access { first, config: RwLock::new(Arc::new(config)), sessions, sign_ins }
    }

    /// From now on these tokens hold.
    pub fn set_config(&self, config: AdminConfig) {
        *self.config.write().expect("nobody panics while holding it") = Arc::new(config);
    }

    /// What is configured.
    pub fn config(&self) -> Arc<AdminConfig> {
        self.config.read().expect("nobody panics while holding it").clone()
    }

    /// Who sends this `Authorization` header.
    pub fn by_header(&self, header: Option<&[u8]>) -> Option<Person> {
        let (scheme, token) = header?.split_at_checked(7)?;
        let token = std::str::from_utf8(token).ok()?;
        scheme
            .eq_ignore_ascii_case(b"bearer ")
            .then(|| self.holder(token.trim()))?
            .and_then(|holder| self.person(&holder))
    }

    /// Opens a session: the answer is its secret, which the browser keeps.
    ///
    /// # Errors
    /// `Unknown` token, or `TooMany` wrong ones.
    pub fn sign_in(&self, token: &str, from: IpAddr, now_ms: u64) -> Result<(String, Person), Refused> {
        let mut sign_ins = self.sign_ins.lock().expect("nobody panics while holding it");
        sign_ins.admit(from, now_ms).map_err(Refused::TooMany)?;
        let known = self.holder(token.trim()).and_then(|holder| Some((self.person(&holder)?, holder)));
        let Some((person, holder)) = known else {
            sign_ins.failed(from, now_ms);
            return Err(Refused::Unknown);
        };
        drop(sign_ins);
        let (secret, csrf) = (random_hex(), random_hex());
        let mut sessions = self.sessions.lock().expect("nobody panics while holding the sessions");
        sessions.retain(|_, session| session.is_good(now_ms));
        if sessions.len() >= SESSIONS_MAX {
            let oldest = sessions.iter().min_by_key(|(_, session)| session.used_ms).map(|(secret, _)| secret.clone());
            oldest.and_then(|oldest| sessions.remove(&oldest));
        }
        sessions.insert(secret.clone(), Session { holder, csrf, began_ms: now_ms, used_ms: now_ms });
        Ok((secret, person))
    }

    /// Whose session it is, if it goes on.
    pub fn by_session(&self, secret: &str, now_ms: u64) -> Option<SignedIn> {
        let session = {
            let mut sessions = self.sessions.lock().expect("nobody panics while holding the sessions");
            let session = sessions.get_mut(secret).filter(|session| session.is_good(now_ms))?;
            session.used_ms = now_ms;
            session.clone()
        };
        Some(SignedIn { person: self.person(&session.holder)?, csrf: session.csrf })
    }

    /// Ends a session.
    pub fn sign_out(&self, secret: &str) {
        self.sessions.lock().expect("nobody panics while holding the sessions").remove(secret);
    }

    fn holder(&self, token: &str) -> Option<Holder> {
        if self.first.is(token) {
            return Some(Holder::First);
        }
        let sha256: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let config = self.config();
        let known = config.tokens.iter().find(|known| known.sha256 == sha256)?;
        Some(Holder::Named { name: known.name.clone(), sha256 })
    }

    fn person(&self, holder: &Holder) -> Option<Person> {
        let Holder::Named { name, sha256 } = holder else {
            return Some(Person { name: OPERATOR.to_string(), role: Role::Admin });
        };
        let config = self.config();
        let known = config.tokens.iter().find(|known| known.name == *name && known.sha256 == *sha256)?;
        Some(Person { name: known.name.clone(), role: known.role })
    }
}

impl Session {
    fn is_good(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.used_ms) < SESSION_IDLE_MS && now_ms.saturating_sub(self.began_ms) < SESSION_MS
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::config::AccessToken;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn token(name: &str, role: Role) -> AccessToken {
        AccessToken { name: name.to_string(), role, sha256: Sha256::digest(name.as_bytes()).into() }
    }

    fn access(tokens: Vec<AccessToken>) -> (Access, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let (first, _) = Token::read_or_make(directory.path()).unwrap();
        (Access::new(first, AdminConfig { tokens, ..AdminConfig::default() }), directory)
    }

    #[test]
    fn a_tokens_holder_is_known_and_others_are_not() {
        let (access, _directory) = access(vec![token("mira", Role::Viewer)]);
        let person = access.by_header(Some(b"Bearer mira")).unwrap();
        assert_eq!((person.name.as_str(), person.role), ("mira", Role::Viewer));
        let first = access.first.bearer();
        assert_eq!(access.by_header(Some(first.as_bytes())).unwrap().role, Role::Admin);
        for header in [None, Some(&b"Bearer "[..]), Some(b"Bearer jonas"), Some(b"mira"), Some(b"Basic mira")] {
            assert_eq!(access.by_header(header), None, "{header:?}");
        }
    }

    #[test]
    fn a_session_ends_with_its_time_or_its_token() {
        let (access, _directory) = access(vec![token("mira", Role::Editor)]);
        let (secret, _) = access.sign_in("mira", HERE, 0).unwrap();
        assert!(access.by_session(&secret, SESSION_IDLE_MS - 1).is_some());
        assert!(access.by_session(&secret, 2 * SESSION_IDLE_MS - 1).is_none(), "it was idle");
        let (secret, _) = access.sign_in("mira", HERE, 0).unwrap();
        let mut now_ms = 0;
        while now_ms + 1_000 * 3_600 < SESSION_MS {
            now_ms += 1_000 * 3_600;
            assert!(access.by_session(&secret, now_ms).is_some(), "it is used");
        }
        assert!(access.by_session(&secret, SESSION_MS).is_none(), "a week is over");
        let (secret, _) = access.sign_in("mira", HERE, 0).unwrap();
        access.set_config(AdminConfig { tokens: vec![token("mira", Role::Viewer)], ..AdminConfig::default() });
        assert_eq!(access.by_session(&secret, 1).unwrap().person.role, Role::Viewer, "the role holds at once");
        access.set_config(AdminConfig::default());
        assert!(access.by_session(&secret, 1).is_none(), "the token is gone");
    }

    #[test]
    fn sessions_are_bounded() {
        let (access, _directory) = access(vec![token("mira", Role::Editor)]);
        let first = access.sign_in("mira", HERE, 0).unwrap().0;
        for now_ms in 1..SESSIONS_MAX as u64 {
            access.sign_in("mira", HERE, now_ms).unwrap();
        }
        assert!(access.by_session(&first, 0).is_some(), "just within");
        let (used_longest_ago, next) = {
            let sessions = access.sessions.lock().unwrap();
            let mut by_use: Vec<_> =
                sessions.iter().map(|(secret, session)| (session.used_ms, secret.clone())).collect();
            by_use.sort();
            (by_use[0].1.clone(), by_use[1].1.clone())
        };
        access.sign_in("mira", HERE, 5_000).unwrap();
        assert!(
            access.by_session(&used_longest_ago, 5_000).is_none(),
            "just beyond: the one used the longest ago ends"
        );
        assert!(access.by_session(&next, 5_000).is_some());
    }
}
