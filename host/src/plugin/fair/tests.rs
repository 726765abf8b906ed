use super::*;

const CALL: Duration = Duration::from_millis(10);

/// Threads and a clock that the test moves.
struct World {
    fair: Fair<u64>,
    /// Main threads; beside them there is one aside.
    threads: usize,
    now: Instant,
    running: Vec<Running>,
    pushed: u64,
    taken: BTreeMap<DestinationId, Vec<u64>>,
    used: BTreeMap<DestinationId, Duration>,
}

struct Running {
    until: Instant,
    side: Side,
    ticket: Ticket,
    took: Duration,
    conduct: Conduct,
}

fn name(name: &str) -> DestinationId {
    DestinationId(format!("shop/{name}"))
}

impl World {
    fn new(threads: usize) -> World {
        World {
            fair: Fair::default(),
            threads,
            now: Instant::now(),
            running: Vec::new(),
            pushed: 0,
            taken: BTreeMap::new(),
            used: BTreeMap::new(),
        }
    }

    fn push(&mut self, destination: &DestinationId) {
        self.fair.push(destination, self.pushed);
        self.pushed += 1;
    }

    /// Gives free threads what is next, with what its call will take, and checks the rule.
    fn start(&mut self, call: impl Fn(&DestinationId) -> (Duration, Conduct)) {
        for (side, threads) in [(Side::Main, self.threads), (Side::Aside, 1)] {
            while self.running.iter().filter(|running| running.side == side).count() < threads {
                let may_begin = self.may_begin(side);
                let Next::Job(ticket, job) = self.fair.take(side, self.now) else { break };
                let second = self.fair.shares[&ticket.destination].running > 1;
                assert!(!second || may_begin.is_empty(), "{ticket:?} got a second call while {may_begin:?} waited");
                self.taken.entry(ticket.destination.clone()).or_default().push(job);
                let (took, conduct) = call(&ticket.destination);
                self.running.push(Running { until: self.now + took, side, ticket, took, conduct });
            }
        }
    }

    /// Those that wait for their first call on this side.
    fn may_begin(&self, side: Side) -> Vec<DestinationId> {
        let waits = |share: &Share<u64>| !share.waiting.is_empty() && share.running == 0 && !share.rests(self.now);
        let own = self.fair.shares.iter().filter(|(_, share)| waits(share) && share.side() == side);
        own.map(|(destination, _)| destination.clone()).collect()
    }

    /// Lets the time pass until the next call ends, or the next rest is over.
    fn pass(&mut self) -> bool {
        let ends = (0..self.running.len()).min_by_key(|at| self.running[*at].until);
        // A thread that is free may have something to do before that.
        let aside_is_free = !self.running.iter().any(|running| running.side == Side::Aside);
        let rested = match aside_is_free.then(|| self.fair.take(Side::Aside, self.now)) {
            Some(Next::At(at)) => Some(at),
            Some(Next::Job(..)) => panic!("a thread was left idle"),
            Some(Next::Nothing) | None => None,
        };
        match (ends, rested) {
            (None, None) => return false,
            (Some(next), rested) if rested.is_none_or(|at| self.running[next].until <= at) => {
                let Running { until, ticket, took, conduct, .. } = self.running.remove(next);
                self.now = until;
                *self.used.entry(ticket.destination.clone()).or_default() += took;
                self.fair.ended(ticket, took, conduct, self.now);
            }
            (_, Some(at)) => self.now = at,
            (Some(_), None) => unreachable!("the arm above takes it"),
        }
        true
    }

    fn count(&self, destination: &DestinationId) -> usize {
        self.taken.get(destination).map_or(0, Vec::len)
    }
}

/// SplitMix64.
fn roll(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % below
}

#[test]
fn at_random_the_rule_holds_nothing_is_forgotten_and_each_queue_keeps_its_order() {
    let names: Vec<DestinationId> = (0..6).map(|number| name(&number.to_string())).collect();
    for seed in 0..200 {
        let mut random = seed;
        let mut world = World::new(2 + roll(&mut random, 4) as usize);
        for step in 0..400 {
            for _ in 0..roll(&mut random, 4) {
                let at = roll(&mut random, names.len() as u64) as usize;
                world.push(&names[at]);
            }
            let (millis, late) = (1 + roll(&mut random, 50), roll(&mut random, 8) == 0);
            world.start(|destination| match late && *destination <= names[1] {
                true => (Duration::from_secs(1), Conduct::OutOfTime),
                false => (Duration::from_millis(millis), Conduct::InTime),
            });
            if step % 2 == 0 {
                world.pass();
            }
        }
        loop {
            world.start(|_| (CALL, Conduct::InTime));
            if !world.pass() {
                break;
            }
        }
        let taken: usize = world.taken.values().map(Vec::len).sum();
        assert_eq!((taken as u64, world.fair.waiting()), (world.pushed, 0), "seed {seed}");
        assert!(world.taken.values().all(|jobs| jobs.is_sorted()), "seed {seed}");
    }
}

#[test]
fn dear_calls_and_cheap_ones_get_the_same_time() {
    let (dear, cheap, other) = (name("dear"), name("cheap"), name("other"));
    let mut world = World::new(2);
    for _ in 0..2_000 {
        [&dear, &cheap, &other].into_iter().for_each(|destination| world.push(destination));
    }
    let call = |destination: &DestinationId| match *destination == dear {
        true => (CALL * 20, Conduct::InTime),
        false => (CALL, Conduct::InTime),
    };
    for _ in 0..500 {
        world.start(call);
        world.pass();
    }
    let (least, most) = (world.used.values().min().unwrap(), world.used.values().max().unwrap());
    assert!(*most - *least <= CALL * 40, "{:?}", world.used);
    assert!(world.count(&cheap) > world.count(&dear) * 10, "{:?}", world.used);
}

#[test]
fn time_that_nobody_else_wanted_is_not_held_against_anyone_nor_saved_up() {
    let (busy, idle) = (name("busy"), name("idle"));
    let mut world = World::new(2);
    world.push(&idle);
    for _ in 0..1_000 {
        world.push(&busy);
        world.start(|_| (CALL, Conduct::InTime));
        world.pass();
    }
    let before = world.count(&busy);
    for _ in 0..100 {
        world.push(&idle);
        world.push(&busy);
    }
    for _ in 0..100 {
        world.start(|_| (CALL, Conduct::InTime));
        world.pass();
    }
    let (busy, idle) = (world.count(&busy) - before, world.count(&idle));
    assert!(busy.abs_diff(idle) <= 4, "busy {busy}, idle {idle}");
}

#[test]
fn a_destination_that_spins_rests_and_is_still_served_among_others() {
    let (spins, works) = (name("spins"), name("works"));
    let mut world = World::new(2);
    for _ in 0..110 {
        world.push(&spins);
    }
    let deadline = Duration::from_secs(1);
    let call = |destination: &DestinationId| match *destination == spins {
        true => (deadline, Conduct::OutOfTime),
        false => (CALL, Conduct::InTime),
    };
    let began = world.now;
    while world.count(&spins) < 100 {
        while world.fair.waiting() < 140 {
            world.push(&works);
        }
        world.start(call);
        world.pass();
    }
    let passed = world.now - began;
    assert!(passed > deadline * 100 * REST_FACTOR_MAX / 2, "100 calls of a second in {passed:?}");
    let share = world.used[&spins].as_secs_f64() / passed.as_secs_f64();
    assert!(share < 0.05, "{share} of a core");
}

#[test]
fn a_destination_is_trusted_again_after_clean_calls() {
    let own = name("own");
    let mut fair = Fair::default();
    let mut now = Instant::now();
    let mut call = |conduct| {
        let side = fair.push(&own, ());
        loop {
            match fair.take(side, now) {
                Next::Job(ticket, ()) => {
                    fair.ended(ticket, CALL, conduct, now);
                    return side;
                }
                Next::At(at) => now = at,
                Next::Nothing => panic!("one waits"),
            }
        }
    };
    assert_eq!(call(Conduct::OutOfTime), Side::Main, "nothing was known yet");
    assert!((0..CLEAN_CALLS).all(|_| call(Conduct::InTime) == Side::Aside));
    assert_eq!(call(Conduct::InTime), Side::Main);
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut fair = Fair::default();
    let now = Instant::now();
    for number in 0..REMEMBERED_MAX * 2 {
        fair.push(&name(&number.to_string()), ());
        let Next::Job(ticket, ()) = fair.take(Side::Main, now) else { panic!("one waits") };
        fair.ended(ticket, CALL, Conduct::OutOfTime, now);
    }
    assert!(fair.shares.len() <= REMEMBERED_MAX, "{}", fair.shares.len());
}
