//! Invariants of the backlog under any order of events.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

struct Numbered {
    position: i64,
    key: String,
}

impl Pending for Numbered {
    fn id(&self) -> Uuid {
        Uuid::from_u128(self.position.unsigned_abs().into())
    }

    fn position(&self) -> i64 {
        self.position
    }

    fn key(&self) -> &str {
        &self.key
    }

    fn event_type(&self) -> &'static str {
        "noted"
    }

    fn partition(&self) -> i16 {
        0
    }

    fn size(&self) -> usize {
        10
    }
}

/// What happens next: an event is sent, or one of those in flight is answered.
#[derive(Debug, Clone)]
enum Step {
    Send,
    Confirm(prop::sample::Index),
    Fail(prop::sample::Index),
    /// Everything is read again.
    PollAgain,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Send),
        4 => any::<prop::sample::Index>().prop_map(Step::Confirm),
        1 => any::<prop::sample::Index>().prop_map(Step::Fail),
        1 => Just(Step::PollAgain),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn the_events_of_a_key_are_confirmed_in_order_and_at_most_one_is_in_flight(
        keys in prop::collection::vec(0..4_u8, 1..40), steps in steps(),
    ) {
        let now = Instant::now();
        let events: Vec<(i64, String)> = (1..).zip(keys.iter().map(ToString::to_string)).collect();
        let mut backlog = Backlog::default();
        let mut in_flight: Vec<Uuid> = Vec::new();
        let mut confirmed: Vec<Uuid> = Vec::new();
        let read = |backlog: &mut Backlog<Numbered>, confirmed: &[Uuid]| {
            let pending = events.iter().map(|(position, key)| Numbered { position: *position, key: key.clone() });
            pending.filter(|event| !confirmed.contains(&event.id())).for_each(|event| backlog.add(event));
        };
        read(&mut backlog, &confirmed);
        let key_of = |id: Uuid| &events[usize::try_from(id.as_u128()).unwrap() - 1].1;
        for step in steps {
            match step {
                Step::Send => in_flight.extend(backlog.take()),
                Step::Confirm(index) if !in_flight.is_empty() => {
                    let id = in_flight.swap_remove(index.index(in_flight.len()));
                    backlog.confirmed(id, now);
                    confirmed.push(id);
                }
                Step::Fail(index) if !in_flight.is_empty() => {
                    let id = in_flight.swap_remove(index.index(in_flight.len()));
                    backlog.read_again(id);
                    backlog.forget_unsent();
                }
                Step::PollAgain => read(&mut backlog, &confirmed),
                Step::Confirm(_) | Step::Fail(_) => {}
            }
            prop_assert_eq!(backlog.in_flight(), in_flight.len());
            let mut busy: Vec<&String> = in_flight.iter().map(|id| key_of(*id)).collect();
            busy.sort();
            busy.dedup();
            prop_assert_eq!(busy.len(), in_flight.len(), "one of each key");
        }
        let mut newest: BTreeMap<&String, Uuid> = BTreeMap::new();
        for id in confirmed {
            let key = key_of(id);
            let expected = events.iter().map(|(position, of)| (Uuid::from_u128(position.unsigned_abs().into()), of));
            let after = newest.insert(key, id);
            let mut of_key = expected.filter(|(_, of)| *of == key).map(|(id, _)| id);
            let next = of_key.find(|other| after.is_none_or(|after| *other > after));
            prop_assert_eq!(next, Some(id), "in order, without a gap");
        }
        // What was never answered is still there, or is read again: nothing is forgotten for good.
        backlog.forget_unsent();
        prop_assert_eq!(backlog.bytes(), in_flight.len() * 10);
    }
}
