//! Instances that are used for more than one call, of plugins that ask for it.
//!
//! An interpreter's first steps in a fresh instance cost it more than a small batch does. What a guest
//! keeps from one call to the next is its author's business, and so its plans are shown as not
//! reproducible. Bounded: by the calls of an instance, by its memory, by the instances of a destination,
//! and by those that rest at all ([`super::engine`]). Any fault ends an instance; in one that was used
//! before it may be of what was left there, so the call is made once more in a fresh one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use super::fault::PluginFault;
use super::instance::Instance;
use super::metered::counted;
use super::revision::Revision;
use crate::meter::GuestMeter;
use crate::queue::DestinationId;

/// Instances that rest for one destination: it plans one batch at a time, and judges beside it.
const PER_DESTINATION_MAX: usize = 2;

/// Instances between two calls, by destination.
#[derive(Default)]
pub struct Kept {
    resting: Mutex<HashMap<DestinationId, Vec<Resting>>>,
}

struct Resting {
    instance: Instance<Arc<Revision>>,
    settings: String,
    calls: u32,
}

impl Kept {
    /// Calls an instance of the revision with these settings: a fresh one, or one that is kept, when its
    /// manifest says so.
    pub fn call<T>(
        &self,
        revision: &Arc<Revision>,
        settings: &str,
        meter: &Arc<GuestMeter>,
        call: impl Fn(&mut Instance<Arc<Revision>>) -> Result<T, PluginFault>,
    ) -> Result<T, PluginFault> {
        let mut session = self.session(revision, settings, meter);
        let answer = session.call(call);
        session.end();
        answer
    }

    /// Calls that follow each other, in one instance as long as there is no fault. They count as one.
    pub fn session<'k>(
        &'k self,
        revision: &'k Arc<Revision>,
        settings: &'k str,
        meter: &'k Arc<GuestMeter>,
    ) -> Session<'k> {
        let used = self.take(meter.destination(), revision, settings);
        Session { kept: self, revision, settings, meter, used }
    }

    /// One that rests, awake again. Those of another revision or with other settings are dropped.
    fn take(&self, destination: &DestinationId, revision: &Arc<Revision>, settings: &str) -> Option<Resting> {
        let mut all = self.lock();
        let own = all.get_mut(destination)?;
        let fits = |each: &Resting| Arc::ptr_eq(each.instance.revision(), revision) && each.settings == settings;
        let (fitting, others): (Vec<Resting>, Vec<Resting>) = std::mem::take(own).into_iter().partition(fits);
        *own = fitting;
        let taken = own.pop();
        if own.is_empty() {
            all.remove(destination);
        }
        drop(all);
        // Ending an instance takes a while, and nobody shall wait for it.
        drop(others);
        let mut taken = taken?;
        taken.instance.wake();
        Some(taken)
    }

    fn put(&self, destination: &DestinationId, mut used: Resting) {
        let mut all = self.lock();
        let own = all.entry(destination.clone()).or_default();
        if own.len() < PER_DESTINATION_MAX && used.instance.rest() {
            own.push(used);
            return;
        }
        if own.is_empty() {
            all.remove(destination);
        }
    }

    /// Keeps one that has answered, if it may be called again.
    fn keep(&self, mut used: Resting, meter: &GuestMeter) {
        used.calls += 1;
        // What is said is for the author's commands.
        used.instance.take_log();
        let calls_max = used.instance.revision().manifest().instances.calls_max;
        if used.calls < calls_max && !used.instance.is_worn() {
            self.put(meter.destination(), used);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DestinationId, Vec<Resting>>> {
        self.resting.lock().expect("nobody panics while holding the instances")
    }
}

/// Calls that follow each other.
pub struct Session<'k> {
    kept: &'k Kept,
    revision: &'k Arc<Revision>,
    settings: &'k str,
    meter: &'k Arc<GuestMeter>,
    /// The instance that was called last, or was kept, and had no fault.
    used: Option<Resting>,
}

impl Session<'_> {
    /// Calls the instance; a fresh one where it has none, and where the one that was used before fails.
    pub fn call<T>(
        &mut self,
        call: impl Fn(&mut Instance<Arc<Revision>>) -> Result<T, PluginFault>,
    ) -> Result<T, PluginFault> {
        if let Some(mut used) = self.used.take()
            && !used.instance.is_worn()
            && let Ok(answer) = counted(self.meter, call(&mut used.instance))
        {
            self.used = Some(used);
            return Ok(answer);
        }
        let instance = Instance::start(self.revision.clone(), self.settings, Some(self.meter))?;
        let mut fresh = Resting { instance, settings: self.settings.to_string(), calls: 0 };
        let answer = call(&mut fresh.instance)?;
        self.used = Some(fresh);
        Ok(answer)
    }

    /// Keeps the instance, if it may be called again.
    pub fn end(self) {
        if let Some(used) = self.used {
            self.kept.keep(used, self.meter);
        }
    }
}
