//! What becomes of a payment, decided without I/O.

use std::time::Duration;

use super::{Amount, Charge, Currency, State};
use crate::settings::WorkerSettings;

/// The longest pause that a provider can ask for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_mins(5);

/// What a provider has told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It has charged this.
    Charged(Charge),
    /// It has given this back.
    Refunded(Charge),
    /// It does not charge, and says why.
    Declined(String),
    /// Nothing that can be relied on: whether it has done what it was asked for is not known.
    Nothing {
        /// What came instead.
        problem: String,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
}

/// What is known of a payment, as far as decisions need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// What has become of it so far.
    pub state: State,
    /// What is to be charged.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
    /// Whether the order was cancelled.
    pub is_cancelled: bool,
    /// What the provider has charged, as far as is known.
    pub charge: Option<Charge>,
    /// How often a worker has taken it.
    pub tries: i32,
    /// How often the provider has answered with another amount or currency.
    pub wrong_answers: i32,
}

/// What the other services are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announcement {
    /// The payment is charged.
    Succeeded,
    /// It is not charged, and never will be.
    Failed,
    /// It is charged and refunded.
    Refunded,
}

/// What an answer does to a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It gets another state.
    Become {
        /// The new state. `Refunding` is due at once.
        state: State,
        /// Why, where the provider has said so.
        reason: Option<String>,
        /// What was charged, where that is news.
        charge: Option<Charge>,
        /// What is told.
        announcement: Option<Announcement>,
    },
    /// The outcome is not known: the provider is asked again, with the same key.
    AskAgain {
        /// Why it is not known.
        problem: String,
        /// After how long.
        pause: Duration,
        /// Whether another amount or currency was the reason.
        is_wrong: bool,
    },
}

impl Step {
    fn settle(state: State, announcement: Option<Announcement>) -> Self {
        Self::Become { state, reason: None, charge: None, announcement }
    }
}

/// Decides what an answer to the question of this payment's state means.
pub fn answered(facts: &Facts, answer: Answer, settings: &WorkerSettings) -> Step {
    match (facts.state, answer) {
        (State::Requested, Answer::Charged(charge)) => charged(facts, charge, settings),
        (State::Requested, Answer::Declined(_)) if facts.is_cancelled => Step::settle(State::Cancelled, None),
        (State::Requested, Answer::Declined(reason)) => Step::Become {
            state: State::Failed,
            reason: Some(reason),
            charge: None,
            announcement: Some(Announcement::Failed),
        },
        (State::Refunding, Answer::Refunded(refund)) => match &facts.charge {
            Some(charge) if *charge == refund => Step::settle(State::Refunded, Some(Announcement::Refunded)),
            _ => wrong(facts, refund, "refunded", settings),
        },
        (_, Answer::Nothing { problem, retry_after }) => {
            ask_again(facts, problem, retry_after, false, settings)
        }
        (_, Answer::Charged(_) | Answer::Declined(_) | Answer::Refunded(_)) => ask_again(
            facts,
            "the provider's answer does not fit the question".to_owned(),
            None,
            false,
            settings,
        ),
    }
}

fn charged(facts: &Facts, charge: Charge, settings: &WorkerSettings) -> Step {
    if facts.is_cancelled {
        // Whatever it was: it goes back.
        let charge = Some(charge);
        return Step::Become { state: State::Refunding, reason: None, charge, announcement: None };
    }
    if !charge.is(facts.amount, &facts.currency) {
        return wrong(facts, charge, "charged", settings);
    }
    Step::Become {
        state: State::Succeeded,
        reason: None,
        charge: Some(charge),
        announcement: Some(Announcement::Succeeded),
    }
}

/// The provider has done something else than it was asked for: it may say otherwise when it is asked again. If it goes
/// on like that, an operator decides.
fn wrong(facts: &Facts, charge: Charge, what: &str, settings: &WorkerSettings) -> Step {
    let (amount, currency) = (charge.amount, &charge.currency);
    let problem = format!("the provider says that it has {what} {amount} {currency} as {}", charge.id);
    if facts.wrong_answers + 1 < settings.wrong_answers {
        return ask_again(facts, problem, None, true, settings);
    }
    let charge = (facts.state == State::Requested).then_some(charge);
    Step::Become { state: State::Held, reason: Some(problem), charge, announcement: None }
}

fn ask_again(
    facts: &Facts,
    problem: String,
    retry_after: Option<Duration>,
    is_wrong: bool,
    settings: &WorkerSettings,
) -> Step {
    let pause = settings.limits().pause_after(facts.tries);
    let wanted = retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
    Step::AskAgain { problem, pause: pause.max(wanted), is_wrong }
}

/// What was told of a payment in this state, where that was the last word.
pub fn announced(state: State) -> Option<Announcement> {
    match state {
        State::Succeeded => Some(Announcement::Succeeded),
        State::Failed => Some(Announcement::Failed),
        State::Refunded => Some(Announcement::Refunded),
        State::Requested | State::Cancelled | State::Refunding | State::Held => None,
    }
}

/// What the cancellation of the order does to a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancellation {
    /// Nothing: it was never charged and never will be, or the money is on its way back.
    Nothing,
    /// It is never charged.
    Cancel,
    /// It may be charged already: the outcome is sought, and what was charged is refunded.
    RefundWhatIsCharged,
    /// It is charged: it is refunded.
    Refund,
}

/// Decides what the cancellation of the order does.
pub fn cancelled(facts: &Facts) -> Cancellation {
    match facts.state {
        State::Requested if facts.tries == 0 => Cancellation::Cancel,
        State::Requested => Cancellation::RefundWhatIsCharged,
        State::Succeeded => Cancellation::Refund,
        State::Held if facts.charge.is_some() && !facts.is_cancelled => Cancellation::Refund,
        State::Held | State::Failed | State::Cancelled | State::Refunding | State::Refunded => {
            Cancellation::Nothing
        }
    }
}
