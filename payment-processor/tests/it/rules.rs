//! What becomes of a payment, over all orders of answers and cancellations.

use payment_processor::payments::rules::{
    Announcement, Answer, Cancellation, Facts, Step, answered, cancelled,
};
use payment_processor::payments::{Amount, Charge, Currency, State};
use payment_processor::settings::WorkerSettings;
use proptest::prelude::*;
use rust_decimal::Decimal;

/// What may happen next.
#[derive(Debug, Clone)]
enum Happening {
    Asked(Answer),
    Cancelled,
}

fn charge(cents: i64, currency: &str) -> Charge {
    Charge { id: "ch_1".to_owned(), amount: Decimal::new(cents, 2), currency: currency.to_owned() }
}

fn happening() -> impl Strategy<Value = Happening> {
    let charges = prop_oneof![4 => Just(charge(1250, "EUR")), 1 => Just(charge(1249, "EUR")), 1 => Just(charge(1250, "USD"))];
    let answer = prop_oneof![
        3 => charges.clone().prop_map(Answer::Charged),
        2 => charges.prop_map(Answer::Refunded),
        1 => Just(Answer::Declined("no".to_owned())),
        2 => Just(Answer::Nothing { problem: "500".to_owned(), retry_after: None }),
    ];
    prop_oneof![4 => answer.prop_map(Happening::Asked), 1 => Just(Happening::Cancelled)]
}

proptest! {
    #[test]
    fn whatever_the_provider_answers_a_payment_is_announced_once_and_only_as_it_is(
        happenings in prop::collection::vec(happening(), 0..20)
    ) {
        let settings = WorkerSettings::default();
        let mut facts = Facts {
            state: State::Requested,
            amount: Amount::try_from(Decimal::new(1250, 2)).unwrap(),
            currency: Currency::try_from("EUR".to_owned()).unwrap(),
            is_cancelled: false,
            charge: None,
            tries: 0,
            wrong_answers: 0,
        };
        let mut told = Vec::new();
        for happening in happenings {
            match happening {
                Happening::Cancelled => match cancelled(&facts) {
                    Cancellation::Nothing => {}
                    Cancellation::Cancel => {
                        prop_assert_eq!(facts.tries, 0, "nothing that may be charged is forgotten");
                        facts.state = State::Cancelled;
                    }
                    Cancellation::RefundWhatIsCharged => facts.is_cancelled = true,
                    Cancellation::Refund => {
                        facts.is_cancelled = true;
                        facts.state = State::Refunding;
                        facts.wrong_answers = 0;
                    }
                },
                Happening::Asked(answer) if matches!(facts.state, State::Requested | State::Refunding) => {
                    facts.tries += 1;
                    match answered(&facts, answer.clone(), &settings) {
                        Step::AskAgain { is_wrong, .. } => facts.wrong_answers += i32::from(is_wrong),
                        Step::Become { state, charge, announcement, .. } => {
                            facts.state = state;
                            facts.charge = charge.or(facts.charge);
                            facts.wrong_answers = 0;
                            told.extend(announcement);
                        }
                    }
                }
                Happening::Asked(_) => {}
            }
            if let State::Succeeded | State::Refunded = facts.state {
                prop_assert!(facts.charge.is_some());
            }
            if facts.state == State::Succeeded {
                let charge = facts.charge.as_ref().unwrap();
                prop_assert!(charge.is(facts.amount, &facts.currency) && !facts.is_cancelled);
            }
        }
        let expected: &[&[Announcement]] = match facts.state {
            State::Requested | State::Cancelled => &[&[]],
            State::Succeeded => &[&[Announcement::Succeeded]],
            State::Failed => &[&[Announcement::Failed]],
            State::Refunding | State::Held => &[&[], &[Announcement::Succeeded]],
            State::Refunded => {
                &[&[Announcement::Refunded], &[Announcement::Succeeded, Announcement::Refunded]]
            }
        };
        prop_assert!(expected.contains(&&told[..]), "{:?} after {told:?}", facts.state);
    }
}
