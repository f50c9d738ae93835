//! The second story: three orders with three ends; then one whose services are killed while it is being paid.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::api::{Api, Item};
use super::checkout::Order;
use super::narrator::Narrator;
use crate::process::{kill, wait_until};
use crate::registry::Name;
use crate::suite::{State, Suite};
use crate::terminal::Interrupt;

/// How long an order may take, a killed payment processor included: what one has begun another takes up after 20 s.
const PATIENCE: Duration = Duration::from_mins(1);

/// Stock that the story needs.
const ENOUGH: i64 = 10;

/// What is killed.
const KILLED: [Name; 2] = [Name::ORDERING, Name::PAYMENT];

/// Tells it. Fails where the suite does not keep what it promises.
pub(super) fn tell(
    suite: &Suite,
    interrupt: &Interrupt,
    narrator: &mut Narrator<'_>,
    api: &Api,
) -> Result<()> {
    let item = api.first_item()?;
    if item.available_stock < ENOUGH {
        api.set_stock(item.id, ENOUGH)?;
    }
    let story = Story { suite, interrupt, api, before: item.available_stock.max(ENOUGH), item };
    let told = story.three_ends(narrator).and_then(|()| story.killed(narrator));
    // The next buyer finds the stock that this one found.
    let tidied = api.set_stock(story.item.id, story.item.available_stock);
    told.and(tidied)
}

struct Story<'a> {
    suite: &'a Suite,
    interrupt: &'a Interrupt,
    api: &'a Api,
    item: Item,
    /// The pieces that can be sold before the story.
    before: i64,
}

impl Story<'_> {
    fn three_ends(&self, narrator: &mut Narrator<'_>) -> Result<()> {
        let Item { id, price, .. } = &self.item;
        let by_hand = format!(
            "curl -s $ORDERING_URL/api/v1/orders -H \"Authorization: Bearer $TOKEN\" -H 'Idempotency-Key: one' \
             -H 'Content-Type: application/json' -d '{{\"items\":[{{\"productId\":{id},\"quantity\":1}}],\
             \"expectedTotal\":\"{price}\",\"address\":{{\"name\":\"A\",\"street\":\"B 1\",\"postcode\":\"1\",\"city\":\"C\",\
             \"country\":\"D\"}},\"payment\":{{\"token\":\"tok_ok\"}}}}'"
        );
        let title =
            "Order it three times: with a card that pays, with one that is declined, and to cancel at once";
        let step = narrator.step(title, &by_hand);
        let (paid, declined, cancelled) = (
            self.place("tok_ok", "one")?,
            self.place("tok_declined", "two")?,
            self.place("tok_ok", "three")?,
        );
        self.api.cancel_order(&cancelled)?;
        step.done("three times 202: nothing is reserved or charged before the grace period ends");

        let step = narrator.step("Each order comes to its end by events", &look_by_hand(&paid));
        let ends = [&paid, &declined, &cancelled].map(|id| self.await_end(id));
        let [paid_end, declined_end, cancelled_end] = ends;
        ensure!(paid_end?.status == "paid", "the card that pays did not pay");
        ensure!(declined_end?.reason.as_deref() == Some("payment_failed"), "a declined card was no reason");
        ensure!(cancelled_end?.reason.as_deref() == Some("buyer"), "the buyer's cancellation was no reason");
        self.charged(&[(&paid, 1), (&declined, 0), (&cancelled, 0)])?;
        self.await_stock(1)?;
        step.done("paid, and charged once; cancelled (payment_failed), its stock is back; cancelled (buyer)");
        Ok(())
    }

    fn killed(&self, narrator: &mut Narrator<'_>) -> Result<()> {
        let step = narrator.step("Order again, with a payment that takes 3 s", "… \"token\":\"tok_slow\" …");
        let order = self.place("tok_slow", "four")?;
        wait_until("the reservation", PATIENCE, self.interrupt, || {
            let status = self.api.see_order(&order)?.status;
            Ok((status != "submitted" && status != "awaiting_stock").then_some(()))
        })?;
        step.done("the stock is reserved, and the provider is being asked");

        let by_hand = |verb: &str| KILLED.map(|name| format!("cargo shop {verb} {name}")).join("\n");
        let step =
            narrator.step("Kill ordering and the payment processor in the middle of it", &by_hand("kill"));
        for name in KILLED {
            if let State::Running(process) = self.suite.state(name)? {
                kill(&process)?;
            }
        }
        step.done("nobody hears what the provider answers");

        let step = narrator.step("Start them", &by_hand("start"));
        for name in KILLED {
            self.suite.start_service(name, self.interrupt)?;
        }
        step.done("they are ready");

        let step = narrator.step(
            "The provider is asked again with the same key, once the lease of the killed process is over",
            &look_by_hand(&order),
        );
        ensure!(self.await_end(&order)?.status == "paid", "the order came to nothing");
        self.charged(&[(&order, 1)])?;
        self.await_stock(2)?;
        step.done("paid, charged once, and one piece more is sold");
        Ok(())
    }

    /// Places an order, as soon as ordering knows the price.
    fn place(&self, token: &str, key: &str) -> Result<String> {
        let placed = || self.api.order(&self.item, token, key);
        let order = wait_until("the order", PATIENCE, self.interrupt, placed)?;
        Ok(order.id)
    }

    fn await_end(&self, id: &str) -> Result<Order> {
        wait_until("the order's end", PATIENCE, self.interrupt, || {
            Ok(Some(self.api.see_order(id)?).filter(Order::is_settled))
        })
        .context("the order goes on no more (cargo shop status and cargo shop logs may say why)")
    }

    fn charged(&self, expected: &[(&str, usize)]) -> Result<()> {
        for (order, times) in expected {
            let seen = self.api.charges(order)?;
            ensure!(seen == *times, "order {order} is charged {seen} times, not {times}");
        }
        Ok(())
    }

    /// Waits until so many pieces are sold, and nothing of the story is reserved any more.
    fn await_stock(&self, sold: i64) -> Result<()> {
        let (available, reserved) = (self.before - sold, self.item.reserved);
        wait_until("the stock's end", PATIENCE, self.interrupt, || {
            let item = self.api.item(self.item.id)?;
            Ok((item.available_stock == available && item.reserved == reserved).then_some(()))
        })
    }
}

fn look_by_hand(order: &str) -> String {
    format!("curl -s $ORDERING_URL/api/v1/orders/{order} -H \"Authorization: Bearer $TOKEN\"")
}
