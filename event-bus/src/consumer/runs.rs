//! Which events of a batch go to their handler together.

use std::collections::HashMap;

use crate::envelope::IncomingEvent;

/// Events of one type that go to their handler together.
pub(super) struct Run<'a, M> {
    pub(super) event_type: &'a str,
    pub(super) messages: Vec<M>,
}

/// Groups events into few runs, so that handlers are called rarely. An event joins the last run of its type if no
/// event of its key is in a later run, so the events of a key keep their order across types.
pub(super) fn runs<'a, M>(events: impl Iterator<Item = (M, &'a IncomingEvent)>) -> Vec<Run<'a, M>> {
    let mut runs: Vec<Run<'a, M>> = Vec::new();
    let mut last_of_key: HashMap<&str, usize> = HashMap::new();
    for (message, event) in events {
        let last = last_of_key.entry(&event.key).or_default();
        let place = runs.iter().rposition(|run| run.event_type == event.event_type);
        *last = place.filter(|place| place >= last).unwrap_or_else(|| {
            runs.push(Run { event_type: &event.event_type, messages: Vec::new() });
            runs.len() - 1
        });
        runs[*last].messages.push(message);
    }
    runs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn incoming(event_type: &str, key: &str) -> IncomingEvent {
        IncomingEvent {
            id: uuid::Uuid::now_v7(),
            source: String::new(),
            event_type: event_type.to_owned(),
            key: key.to_owned(),
            generation: 1,
            version: 1,
            occurred_at: chrono::Utc::now(),
            trace: crate::TraceContext::default(),
            data: serde_json::value::RawValue::NULL.to_owned(),
        }
    }

    #[test]
    fn events_of_different_keys_make_one_run_for_each_type() {
        let events: Vec<_> = (0..40)
            .map(|n| incoming(if n % 2 == 0 { "priced" } else { "renamed" }, &n.to_string()))
            .collect();
        let runs = runs(events.iter().map(|event| (event, event)));
        assert_eq!(runs.iter().map(|run| run.messages.len()).collect::<Vec<_>>(), [20, 20]);
    }

    proptest! {
        #[test]
        fn runs_keep_the_order_of_every_keys_events(picks in prop::collection::vec((0..4_usize, 0..5_usize), 0..60)) {
            let events: Vec<_> =
                picks.iter().map(|(kind, key)| incoming(["a", "b", "c", "d"][*kind], &key.to_string())).collect();
            let runs = runs(events.iter().enumerate());
            let order: Vec<usize> = runs.iter().flat_map(|run| run.messages.iter().copied()).collect();
            prop_assert_eq!(order.len(), events.len());
            for run in &runs {
                prop_assert!(run.messages.iter().all(|index| events[*index].event_type == run.event_type));
            }
            for key in 0..5 {
                let key = key.to_string();
                let of_key: Vec<usize> = order.iter().copied().filter(|index| events[*index].key == key).collect();
                prop_assert!(of_key.is_sorted(), "{:?}", of_key);
            }
        }
    }
}
