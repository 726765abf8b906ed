//! Which troubles begin and end: pure, told what is seen and when.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::AlertLimits;
use crate::queue::DestinationId;

/// While a trouble lasts it is looked at again after so long, in milliseconds: a disk that has room
/// again tells nobody.
const LOOK_AGAIN_MS: u64 = 30_000;

/// A trouble.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// A destination fails, is paused or waits for its plugin.
    DestinationDown(DestinationId),
    /// Dead letters arrive.
    DeadLetters(DestinationId),
    /// The disk has less free space than the reserve.
    DiskReserve,
    /// The store failed.
    StorePoisoned,
    /// A plugin's file is refused.
    PluginRefused(String),
    /// A plugin's revision was taken back because it was worse than the one before.
    RolledBack(String),
}

impl Trouble {
    /// Its name, for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Trouble::DestinationDown(_) => "destination_down",
            Trouble::DeadLetters(_) => "dead_letters",
            Trouble::DiskReserve => "disk_reserve",
            Trouble::StorePoisoned => "store_poisoned",
            Trouble::PluginRefused(_) => "plugin_refused",
            Trouble::RolledBack(_) => "plugin_rolled_back",
        }
    }

    /// Whose it is: a destination, a file, or nobody's.
    pub fn subject(&self) -> &str {
        match self {
            Trouble::DestinationDown(id) | Trouble::DeadLetters(id) => &id.0,
            Trouble::PluginRefused(file) => file,
            Trouble::RolledBack(plugin) => plugin,
            Trouble::DiskReserve | Trouble::StorePoisoned => "",
        }
    }
}

/// Which end of a trouble a notice tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// It begins.
    Begins,
    /// It is over.
    Ends,
}

/// What is to be said of a trouble.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Which.
    pub trouble: Trouble,
    /// Which end of it.
    pub edge: Edge,
    /// When it was seen: milliseconds since 1970.
    pub at_ms: u64,
    /// For a person, in one line.
    pub text: String,
}

/// What is seen of a destination.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenDestination {
    /// Which.
    pub id: DestinationId,
    /// Its state; "working" when all is well, empty before it is known.
    pub state: String,
    /// Why, when it does not work.
    pub why: String,
    /// Its dead letters so far.
    pub dead: u64,
}

/// What is seen of the daemon.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// The destinations; None when the store does not answer.
    pub destinations: Option<Vec<SeenDestination>>,
    /// Free on the disk, when it is less than the reserve.
    pub disk_short_bytes: Option<u64>,
    /// Why the store failed.
    pub poisoned: Option<String>,
    /// Files of refused plugins, and why.
    pub refused: Vec<(String, String)>,
    /// Plugins of which a revision was rolled back by itself, and why.
    pub rolled_back: Vec<(String, String)>,
}

/// Dead letters of a destination, as they were seen last.
#[derive(Clone, Copy, Debug)]
struct Dead {
    count: u64,
    /// When the count grew last.
    grew_ms: Option<u64>,
}

/// Remembers what was seen and said.
#[derive(Debug)]
pub struct Watcher {
    limits: AlertLimits,
    down_since_ms: BTreeMap<DestinationId, u64>,
    dead: BTreeMap<DestinationId, Dead>,
    /// Of destinations that were not seen yet.
    dead_before: BTreeMap<DestinationId, u64>,
    said: BTreeSet<Trouble>,
    looked_ms: u64,
}

impl Watcher {
    /// One that has seen nothing yet. `dead_before` are the dead letters of before the start: no news.
    pub fn new(limits: AlertLimits, dead_before: BTreeMap<DestinationId, u64>) -> Watcher {
        let (down_since_ms, dead, said) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Watcher { limits, down_since_ms, dead, dead_before, said, looked_ms: 0 }
    }

    /// What is to be said, now that this is seen.
    pub fn look(&mut self, now_ms: u64, seen: &Seen) -> Vec<Notice> {
        self.looked_ms = now_ms;
        let mut troubles: BTreeMap<Trouble, String> = BTreeMap::new();
        match &seen.destinations {
            Some(destinations) => self.look_at(now_ms, destinations, &mut troubles),
            // What is not seen has not ended.
            None => troubles.extend(
                self.said.iter().filter(|said| is_of_destination(said)).map(|said| (said.clone(), String::new())),
            ),
        }
        if let Some(free_bytes) = seen.disk_short_bytes {
            let text = format!("the disk has {free_bytes} bytes free, less than the reserve: no events are taken");
            troubles.insert(Trouble::DiskReserve, text);
        }
        if let Some(cause) = &seen.poisoned {
            let text = format!("the store failed and takes nothing until the daemon is started again: {cause}");
            troubles.insert(Trouble::StorePoisoned, text);
        }
        for (file, why) in &seen.refused {
            troubles.insert(Trouble::PluginRefused(file.clone()), format!("the plugin {file} is refused: {why}"));
        }
        for (plugin, why) in &seen.rolled_back {
            let text = format!("a revision of the plugin {plugin} was rolled back by itself: {why}");
            troubles.insert(Trouble::RolledBack(plugin.clone()), text);
        }
        self.changes(now_ms, troubles)
    }

    /// When to look again although nothing has changed: milliseconds since 1970.
    pub fn next_look_ms(&self) -> Option<u64> {
        let unsaid = |id: &DestinationId| !self.said.contains(&Trouble::DestinationDown(id.clone()));
        let down = self.down_since_ms.iter().filter(|(id, _)| unsaid(id));
        let down = down.map(|(_, since_ms)| since_ms + self.limits.down_for_ms);
        let quiet =
            self.dead.values().filter_map(|dead| dead.grew_ms).map(|grew_ms| grew_ms + self.limits.quiet_for_ms);
        let again = (!self.said.is_empty()).then_some(self.looked_ms + LOOK_AGAIN_MS);
        down.chain(quiet).chain(again).min()
    }

    fn look_at(&mut self, now_ms: u64, seen: &[SeenDestination], troubles: &mut BTreeMap<Trouble, String>) {
        self.down_since_ms.retain(|id, _| seen.iter().any(|each| each.id == *id && is_down(&each.state)));
        self.dead.retain(|id, _| seen.iter().any(|each| each.id == *id));
        for each in seen {
            if is_down(&each.state) {
                let since_ms = *self.down_since_ms.entry(each.id.clone()).or_insert(now_ms);
                if now_ms.saturating_sub(since_ms) >= self.limits.down_for_ms {
                    let why = shown(&each.why);
                    let text = format!("destination {} is {} {why}", each.id, each.state);
                    troubles.insert(Trouble::DestinationDown(each.id.clone()), text.trim_end().to_string());
                }
            }
            let dead = self.dead.entry(each.id.clone()).or_insert_with(|| {
                let count = self.dead_before.remove(&each.id).unwrap_or_default();
                Dead { count, grew_ms: None }
            });
            let more = each.dead.saturating_sub(dead.count);
            if more > 0 {
                dead.grew_ms = Some(now_ms);
            }
            dead.count = each.dead;
            dead.grew_ms = dead.grew_ms.filter(|grew_ms| now_ms.saturating_sub(*grew_ms) < self.limits.quiet_for_ms);
            if dead.grew_ms.is_some() {
                let text = format!("destination {}: {more} dead letters: `switchyard dead-letters list`", each.id);
                troubles.insert(Trouble::DeadLetters(each.id.clone()), text);
            }
        }
    }

    fn changes(&mut self, now_ms: u64, troubles: BTreeMap<Trouble, String>) -> Vec<Notice> {
        let ended = self.said.iter().filter(|said| !troubles.contains_key(said));
        let notice = |trouble: &Trouble, edge, text| Notice { trouble: trouble.clone(), edge, at_ms: now_ms, text };
        let mut notices: Vec<Notice> = ended.map(|said| notice(said, Edge::Ends, end_of(said, &self.limits))).collect();
        let began = troubles.iter().filter(|(trouble, _)| !self.said.contains(trouble));
        notices.extend(began.map(|(trouble, text)| notice(trouble, Edge::Begins, text.clone())));
        self.said = troubles.into_keys().collect();
        notices
    }
}

fn is_down(state: &str) -> bool {
    !state.is_empty() && state != "working"
}

fn is_of_destination(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::DestinationDown(_) | Trouble::DeadLetters(_))
}

/// A reason without what follows its first colon, which may be a vendor's answer.
fn shown(why: &str) -> String {
    match why.split(':').next().map(str::trim) {
        Some(first) if !first.is_empty() => format!("({first})"),
        _ => String::new(),
    }
}

fn end_of(trouble: &Trouble, limits: &AlertLimits) -> String {
    match trouble {
        Trouble::DestinationDown(id) => format!("destination {id} works again, or is no longer configured"),
        Trouble::DeadLetters(id) => {
            format!("destination {id}: no more dead letters for {} s", limits.quiet_for_ms / 1_000)
        }
        Trouble::DiskReserve => "the disk has more free space than the reserve again: events are taken".to_string(),
        Trouble::StorePoisoned => "the store works again".to_string(),
        Trouble::PluginRefused(file) => format!("the plugin {file} is no longer refused"),
        Trouble::RolledBack(plugin) => format!("another revision of the plugin {plugin} was chosen since its rollback"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: AlertLimits = AlertLimits { down_for_ms: 300_000, quiet_for_ms: 600_000, gap_ms: 1_000 };

    fn destination(state: &str, dead: u64) -> SeenDestination {
        let why = "the vendor does not accept the credentials: 401 token=s3cret".to_string();
        SeenDestination { id: DestinationId("shop/ga4".to_string()), state: state.to_string(), why, dead }
    }

    fn seen(state: &str, dead: u64) -> Seen {
        Seen { destinations: Some(vec![destination(state, dead)]), ..Seen::default() }
    }

    fn said(notices: &[Notice]) -> Vec<(&'static str, Edge)> {
        notices.iter().map(|notice| (notice.trouble.kind(), notice.edge)).collect()
    }

    #[test]
    fn a_destination_is_told_once_when_it_is_down_for_long_enough_and_once_when_it_works() {
        let mut watcher = Watcher::new(LIMITS, BTreeMap::new());
        assert_eq!(said(&watcher.look(0, &seen("working", 0))), []);
        assert_eq!(watcher.next_look_ms(), None, "nothing polls while all is well");
        assert_eq!(said(&watcher.look(1_000, &seen("failing", 0))), []);
        assert_eq!(watcher.next_look_ms(), Some(301_000));
        assert_eq!(said(&watcher.look(300_999, &seen("paused", 0))), []);
        let notices = watcher.look(301_000, &seen("failing", 0));
        assert_eq!(said(&notices), [("destination_down", Edge::Begins)]);
        assert!(notices[0].text.contains("credentials") && !notices[0].text.contains("s3cret"), "{}", notices[0].text);
        assert_eq!(said(&watcher.look(400_000, &seen("failing", 0))), []);
        assert_eq!(said(&watcher.look(400_001, &seen("working", 0))), [("destination_down", Edge::Ends)]);
        assert_eq!(watcher.next_look_ms(), None);
    }

    #[test]
    fn a_short_failure_is_not_told() {
        let mut watcher = Watcher::new(LIMITS, BTreeMap::new());
        watcher.look(0, &seen("failing", 0));
        watcher.look(299_000, &seen("working", 0));
        assert_eq!(said(&watcher.look(300_000, &seen("failing", 0))), []);
        assert_eq!(watcher.next_look_ms(), Some(600_000), "it counts anew");
    }

    #[test]
    fn dead_letters_of_before_the_first_look_are_told_unless_they_are_of_before_the_start() {
        let mut watcher = Watcher::new(LIMITS, BTreeMap::new());
        let notices = watcher.look(0, &seen("working", 3));
        assert_eq!(said(&notices), [("dead_letters", Edge::Begins)]);
        assert!(notices[0].text.contains("3 dead letters"), "{}", notices[0].text);
        let mut watcher = Watcher::new(LIMITS, BTreeMap::from([(destination("", 0).id, 3)]));
        assert_eq!(said(&watcher.look(0, &seen("working", 3))), []);
    }

    #[test]
    fn dead_letters_are_told_when_they_arrive_and_when_no_more_do() {
        let mut watcher = Watcher::new(LIMITS, BTreeMap::from([(destination("", 0).id, 7)]));
        assert_eq!(said(&watcher.look(0, &seen("working", 7))), [], "those of before the start are no news");
        let notices = watcher.look(1_000, &seen("working", 9));
        assert_eq!(said(&notices), [("dead_letters", Edge::Begins)]);
        assert!(notices[0].text.contains("2 dead letters"), "{}", notices[0].text);
        assert_eq!(said(&watcher.look(500_000, &seen("working", 10))), [], "once");
        assert_eq!(said(&watcher.look(1_099_999, &seen("working", 10))), []);
        assert_eq!(said(&watcher.look(1_100_000, &seen("working", 10))), [("dead_letters", Edge::Ends)]);
        assert_eq!(watcher.next_look_ms(), None);
    }

    #[test]
    fn the_disk_the_store_and_plugins_are_told() {
        let mut watcher = Watcher::new(LIMITS, BTreeMap::new());
        let bad = Seen {
            destinations: Some(Vec::new()),
            disk_short_bytes: Some(5),
            poisoned: Some("EIO".to_string()),
            refused: vec![("bad.wasm".to_string(), "no manifest".to_string())],
            rolled_back: vec![("ga4".to_string(), "traps: 9.0 % of its events".to_string())],
        };
        let began = watcher.look(0, &bad);
        let kinds = ["disk_reserve", "store_poisoned", "plugin_refused", "plugin_rolled_back"];
        assert_eq!(said(&began), kinds.map(|kind| (kind, Edge::Begins)));
        assert_eq!(watcher.next_look_ms(), Some(LOOK_AGAIN_MS));
        assert_eq!(watcher.look(1, &bad), []);
        let ended = watcher.look(2, &Seen { destinations: Some(Vec::new()), ..Seen::default() });
        assert_eq!(said(&ended), kinds.map(|kind| (kind, Edge::Ends)));
    }

    #[test]
    fn a_store_that_does_not_answer_ends_no_trouble_of_a_destination() {
        let mut watcher = Watcher::new(AlertLimits { down_for_ms: 0, ..LIMITS }, BTreeMap::new());
        assert_eq!(said(&watcher.look(0, &seen("failing", 0))), [("destination_down", Edge::Begins)]);
        assert_eq!(said(&watcher.look(1, &Seen::default())), []);
        let removed = Seen { destinations: Some(Vec::new()), ..Seen::default() };
        assert_eq!(said(&watcher.look(2, &removed)), [("destination_down", Edge::Ends)]);
    }
}
