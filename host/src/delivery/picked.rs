//! Events picked for people who look at them go by. Of each second so many are copied as one can take
//! in, the others are counted; what becomes of those that were picked is told, too.
//!
//! Where events are accepted this costs one atomic load while nobody looks; while somebody does, a
//! comparison an event, and for a search a look at those fields of it that are searched.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use tokio::sync::mpsc;

use super::live::Step;
use crate::event::{Event, EventKind, MessageId};
use crate::queue::{NewEvent, PipelineId};

/// Events that one who looks gets in a second, at most: more cannot be read.
pub const PICKED_MAX: u64 = 20;

/// Events whose outcomes are told to one who looks; the oldest are let go.
pub const FOLLOWED_MAX: usize = 200;

/// What waits for one who reads slowly, at most; beyond, it is left out.
const WAITING_MAX: usize = 1_024;

/// Which events are looked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// Of this pipeline; None: of all.
    pub pipeline: Option<String>,
    /// Of this kind; None: of all.
    pub kind: Option<EventKind>,
    /// Whose identity, name or user holds this text; empty: all.
    pub search: String,
}

/// What is told of the picked events.
#[derive(Clone, Debug)]
pub enum Told {
    /// One was accepted.
    Accepted(PipelineId, Event),
    /// What became of some.
    Outcome(Arc<Step>),
}

/// Everybody who looks.
#[derive(Default)]
pub struct Pickers {
    count: AtomicUsize,
    all: RwLock<Vec<Arc<Picker>>>,
}

/// One who looks.
struct Picker {
    wanted: Wanted,
    /// How many more it gets in this second.
    left: AtomicU64,
    /// Events that it looks for and that went by, since it last asked.
    passed: AtomicU64,
    followed: Mutex<Followed>,
    sender: mpsc::Sender<Told>,
}

#[derive(Default)]
struct Followed {
    ids: HashSet<MessageId>,
    order: VecDeque<MessageId>,
}

/// The events that were picked of some that are about to be accepted.
pub struct Picked(Vec<(Arc<Picker>, PipelineId, Event)>);

/// Looks, until it is dropped.
pub struct Looking {
    pickers: Arc<Pickers>,
    picker: Arc<Picker>,
    /// What is told.
    pub told: mpsc::Receiver<Told>,
}

impl Wanted {
    /// Whether an event is one of them.
    pub fn fits(&self, pipeline: &PipelineId, event: &Event) -> bool {
        self.pipeline.as_ref().is_none_or(|own| own == pipeline.as_str())
            && self.kind.is_none_or(|kind| kind == event.kind)
            && (self.search.is_empty() || self.is_found_in(event))
    }

    fn is_found_in(&self, event: &Event) -> bool {
        // Where it stands nowhere, and nothing is written otherwise than it is meant, it is in no field.
        if memchr::memchr(b'\\', &event.json).is_none()
            && memchr::memmem::find(&event.json, self.search.as_bytes()).is_none()
        {
            return false;
        }
        let view = event.view();
        let holds = |field: &str| {
            view.get(&[field]).and_then(|value| value.as_str()).is_some_and(|text| text.contains(&self.search))
        };
        event.message_id.as_str().contains(&self.search)
            || ["userId", "anonymousId", "event", "name"].into_iter().any(holds)
    }
}

impl Pickers {
    /// Whether anybody looks.
    pub fn are_any(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// Picks of events that are about to be accepted; [`Picked::tell`] tells them when they are.
    pub fn pick(&self, events: &[NewEvent]) -> Picked {
        let mut picked = Vec::new();
        if self.are_any() {
            for picker in self.all.read().expect("nobody panics while holding it").iter() {
                let fit = events.iter().filter(|new| picker.wanted.fits(&new.pipeline, &new.event));
                let mut passed = 0;
                for new in fit {
                    passed += 1;
                    if picker.takes_one() {
                        picker.follow(&new.event.message_id);
                        picked.push((picker.clone(), new.pipeline.clone(), new.event.clone()));
                    }
                }
                picker.passed.fetch_add(passed, Ordering::Relaxed);
            }
        }
        Picked(picked)
    }

    /// Whether one of these events was picked for somebody.
    pub(super) fn follow_any<'a>(&self, events: impl IntoIterator<Item = &'a MessageId>) -> bool {
        let all = self.all.read().expect("nobody panics while holding it");
        let followed: Vec<_> =
            all.iter().map(|picker| picker.followed.lock().expect("nobody panics while holding it")).collect();
        events.into_iter().any(|id| followed.iter().any(|own| own.ids.contains(id)))
    }

    pub(super) fn outcome(&self, step: &Arc<Step>) {
        for picker in self.all.read().expect("nobody panics while holding it").iter() {
            let _ = picker.sender.try_send(Told::Outcome(step.clone()));
        }
    }

    pub(super) fn look(pickers: &Arc<Pickers>, wanted: Wanted) -> Looking {
        let (sender, told) = mpsc::channel(WAITING_MAX);
        let picker = Arc::new(Picker {
            wanted,
            left: AtomicU64::new(PICKED_MAX),
            passed: AtomicU64::new(0),
            followed: Mutex::default(),
            sender,
        });
        let mut all = pickers.all.write().expect("nobody panics while holding it");
        all.push(picker.clone());
        pickers.count.store(all.len(), Ordering::Relaxed);
        drop(all);
        Looking { pickers: pickers.clone(), picker, told }
    }
}

impl Picker {
    fn takes_one(&self) -> bool {
        // The load alone keeps those who have had all of theirs from writing to what others read.
        self.left.load(Ordering::Relaxed) > 0
            && self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    fn follow(&self, id: &MessageId) {
        let mut followed = self.followed.lock().expect("nobody panics while holding it");
        if followed.order.len() == FOLLOWED_MAX
            && let Some(oldest) = followed.order.pop_front()
        {
            followed.ids.remove(&oldest);
        }
        // A copy: the identity is a part of its request's bytes, which would be kept with it.
        let id = MessageId::from(id.as_str());
        followed.order.push_back(id.clone());
        followed.ids.insert(id);
    }
}

impl Picked {
    /// Tells them: they are durable.
    pub fn tell(self) {
        for (picker, pipeline, event) in self.0 {
            let _ = picker.sender.try_send(Told::Accepted(pipeline, event));
        }
    }
}

impl Looking {
    /// Another second begins. Answers how many went by in the last one.
    pub fn next_second(&self) -> u64 {
        self.picker.left.store(PICKED_MAX, Ordering::Relaxed);
        self.picker.passed.swap(0, Ordering::Relaxed)
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        let mut all = self.pickers.all.write().expect("nobody panics while holding it");
        all.retain(|picker| !Arc::ptr_eq(picker, &self.picker));
        self.pickers.count.store(all.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::live::Live;
    use crate::event::scan::{Bounds, canonical};

    fn event(kind: EventKind, id: &str, members: &str) -> NewEvent {
        let json = format!("{{\"type\":\"{kind}\",\"messageId\":\"{id}\"{members}}}");
        let made = canonical(json.as_bytes(), &Bounds::STORED).unwrap();
        let (json, index) = (made.json.into(), made.index.into());
        let event = Event { kind, message_id: MessageId::from(id), received_ms: 0, json, index };
        NewEvent { pipeline: PipelineId::from("shop"), event }
    }

    fn told(looking: &mut Looking) -> Vec<String> {
        std::iter::from_fn(|| looking.told.try_recv().ok())
            .map(|told| match told {
                Told::Accepted(pipeline, event) => format!("{} {}", pipeline, event.message_id),
                Told::Outcome(step) => format!("{} {}", step.step, step.message_ids.join(" ")),
            })
            .collect()
    }

    fn step(id: &str) -> Step {
        Step {
            at_ms: 0,
            destination: "shop/hook".to_string(),
            message_ids: vec![id.to_string()],
            step: "delivered",
            request: String::new(),
            status: 0,
            took_ms: 0,
            detail: String::new(),
        }
    }

    #[test]
    fn a_second_has_a_bound_and_the_rest_is_counted() {
        let live = Live::new();
        let mut looking = live.look(Wanted::default());
        let many: Vec<NewEvent> =
            (0..PICKED_MAX + 5).map(|at| event(EventKind::Track, &format!("m{at}"), "")).collect();
        live.pickers().pick(&many).tell();
        assert_eq!(told(&mut looking).len() as u64, PICKED_MAX);
        assert_eq!(looking.next_second(), PICKED_MAX + 5);
        live.pickers().pick(&many[..1]).tell();
        assert_eq!(told(&mut looking), ["shop m0"], "another second");
        assert_eq!(looking.next_second(), 1);
        let picked = live.pickers().pick(&many[..1]);
        assert_eq!(told(&mut looking), [""; 0], "nothing is told before it is durable");
        picked.tell();
        assert_eq!(told(&mut looking), ["shop m0"]);
        drop(looking);
        assert!(!live.pickers().are_any());
    }

    #[test]
    fn a_rare_one_is_found_among_many() {
        let live = Live::new();
        let wanted = |search: &str| Wanted { search: search.to_string(), ..Wanted::default() };
        let check = |wanted: Wanted, members: &str, is_found: bool| {
            let mut looking = live.look(wanted.clone());
            let mut all: Vec<NewEvent> = (0..100).map(|at| event(EventKind::Page, &format!("p{at}"), "")).collect();
            all.push(event(EventKind::Track, "rare", members));
            live.pickers().pick(&all).tell();
            assert_eq!(told(&mut looking), if is_found { vec!["shop rare"] } else { vec![] }, "{wanted:?} {members}");
            assert_eq!(looking.next_second(), u64::from(is_found));
        };
        check(wanted("ana"), r#","userId":"ana@shop""#, true);
        check(wanted("ana"), r#","anonymousId":"banana""#, true);
        check(wanted("Order"), r#","event":"Order Completed""#, true);
        check(wanted("\"x\""), r#","userId":"an \"x\"""#, true);
        check(wanted("rare"), "", true);
        check(wanted("ana"), r#","properties":{"userId":"ana"}"#, false);
        check(wanted("event"), "", false);
        check(Wanted { kind: Some(EventKind::Track), ..Wanted::default() }, "", true);
        check(Wanted { kind: Some(EventKind::Alias), ..Wanted::default() }, "", false);
        check(Wanted { pipeline: Some("app".to_string()), ..Wanted::default() }, "", false);
    }

    #[test]
    fn what_becomes_of_the_picked_ones_is_told_and_nothing_is_made_of_others() {
        let live = Live::new();
        let id = |id: &str| MessageId::from(id);
        live.tell([&id("m")], || panic!("nobody watches"));
        let mut looking = live.look(Wanted::default());
        live.pickers().pick(&[event(EventKind::Track, "m", "")]).tell();
        live.tell([&id("x"), &id("y")], || panic!("nobody follows them"));
        live.tell([&id("x"), &id("m")], || step("m"));
        assert_eq!(told(&mut looking), ["shop m", "delivered m"]);
        // The oldest are let go.
        for second in 0..=(FOLLOWED_MAX as u64 / PICKED_MAX) {
            looking.next_second();
            let some: Vec<NewEvent> =
                (0..PICKED_MAX).map(|at| event(EventKind::Track, &format!("{second}-{at}"), "")).collect();
            live.pickers().pick(&some).tell();
        }
        told(&mut looking);
        live.tell([&id("m")], || panic!("it is not followed any more"));
        let mut all = live.watch();
        live.tell([&id("m")], || step("m"));
        assert!(all.try_recv().is_ok() && told(&mut looking).is_empty());
    }
}
