//! The first story: a price change reaches a cart; then once more, with the relay killed in between.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rust_decimal::Decimal;

use super::api::{Alert, Api, Item};
use super::narrator::Narrator;
use super::orders;
use crate::home::random;
use crate::process::{kill, wait_until};
use crate::registry::Name;
use crate::suite::{State, Suite};
use crate::terminal::{self, Interrupt};

/// How long an alert may take to arrive before the demo says that it did not.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long the cart is watched while nothing can arrive.
const SILENCE: Duration = Duration::from_secs(4);

/// By how much the price goes up each time.
const RISE: Decimal = Decimal::ONE;

/// Tells it. Fails where the suite does not keep what it promises.
pub(super) fn tell(suite: &Suite, interrupt: &Interrupt) -> Result<()> {
    let mut narrator = Narrator::new(interrupt);
    let buyer = format!("demo-{}", &random()?[..8]);
    terminal::say(
        "\nOne buyer, one product, and services that are killed. Each step shows how to do it by hand,",
    );
    terminal::say("after `. .shop/env`.\n");

    let step =
        narrator.step(&format!("Sign in as buyer {buyer}"), &format!("TOKEN=$(cargo shop token {buyer})"));
    let api = Api::sign_in(suite, &buyer)?;
    step.done("a token, signed with the development key, good for a day");

    let item = api.first_item()?;
    let story = Story { suite, interrupt, api, buyer, item };
    let told = story.chapters(&mut narrator);
    // Whatever happened, the next buyer finds the price and this one leaves no cart.
    let tidied = story.put_back();
    told?;
    tidied?;
    orders::tell(suite, interrupt, &mut narrator, &story.api)?;
    narrator.end("Nothing was lost, nothing came twice, and price and stock are what they were.");
    Ok(())
}

struct Story<'a> {
    suite: &'a Suite,
    interrupt: &'a Interrupt,
    api: Api,
    buyer: String,
    /// As it was before the story.
    item: Item,
}

impl Story<'_> {
    fn chapters(&self, narrator: &mut Narrator<'_>) -> Result<()> {
        self.fill_the_cart(narrator)?;
        self.first_change(narrator)?;
        self.second_change(narrator)?;
        let alerts = self.api.alerts()?;
        ensure!(alerts.len() == 2, "two changes made {} alerts", alerts.len());
        Ok(())
    }

    fn fill_the_cart(&self, narrator: &mut Narrator<'_>) -> Result<()> {
        let Item { id, name, currency, .. } = &self.item;
        let by_hand = format!(
            "curl -s -X PUT $BASKET_URL/api/v1/basket/{}/items/{id} -H \"Authorization: Bearer $TOKEN\" \
             -H 'Content-Type: application/json' -d '{{\"quantity\":2}}'",
            self.buyer
        );
        let step = narrator.step(&format!("Put two of product {id}, {name:?}, into the cart"), &by_hand);
        self.api.put_into_cart(&self.item, 2)?;
        let line = self.api.line()?;
        ensure!(line.unit_price == self.item.price, "the cart has another price than the catalog");
        step.done(&format!("in the cart at {} {currency}, the catalog's price", line.unit_price));
        Ok(())
    }

    fn first_change(&self, narrator: &mut Narrator<'_>) -> Result<()> {
        let event = self.change_price(narrator, "Change the price", self.item.price + RISE)?;

        let step = narrator.step("The alert arrives", &self.look_by_hand());
        let alert = self.await_alert(&event)?;
        let line = self.api.line()?;
        ensure!(line.unit_price == self.item.price + RISE, "the cart did not follow");
        step.done(&format!(
            "{}; the cart shows {} instead of {}",
            describe(&alert),
            line.unit_price,
            line.old_unit_price.unwrap_or_default()
        ));
        Ok(())
    }

    fn second_change(&self, narrator: &mut Narrator<'_>) -> Result<()> {
        let relays: Vec<Name> = (1..=self.suite.plan.counts.relays).map(Name::Relay).collect();
        let by_hand = |verb: &str| {
            relays.iter().map(|name| format!("cargo shop {verb} {name}")).collect::<Vec<_>>().join("\n")
        };
        let step = narrator.step("Kill the relay, without warning (SIGKILL)", &by_hand("kill"));
        for &name in &relays {
            if let State::Running(process) = self.suite.state(name)? {
                kill(&process)?;
            }
        }
        step.done("it is gone, and no event is published");

        let event = self.change_price(narrator, "Change the price again", self.item.price + RISE + RISE)?;

        let pending = "psql $CATALOG_DATABASE_URL -c \"select event_type, key, state, created_at \
                       from integration_event_log where state = 'NotPublished'\"";
        let step = narrator.step("Nothing arrives: the event waits in the outbox", pending);
        self.watch_nothing_arrive(&event)?;
        let pending = self.suite.pending_events()?;
        ensure!(pending >= 1, "the event is not in the log");
        step.done(&format!("{pending} event(s) pending, none lost, the cart as before"));

        let step = narrator.step("Start the relay", &by_hand("start"));
        for &name in &relays {
            self.suite.start_service(name, self.interrupt)?;
        }
        step.done("it is ready");

        let step = narrator.step("The alert arrives, late but once", &self.look_by_hand());
        let alert = self.await_alert(&event)?;
        let line = self.api.line()?;
        ensure!(line.unit_price == self.item.price + RISE + RISE, "the cart did not follow");
        step.done(&format!("{}; the cart shows {}", describe(&alert), line.unit_price));
        Ok(())
    }

    fn change_price(&self, narrator: &mut Narrator<'_>, title: &str, price: Decimal) -> Result<String> {
        let by_hand = format!(
            "curl -s -i -X PUT $CATALOG_URL/api/v1/catalog/items/{}/price -H \"Authorization: Bearer $OPS_TOKEN\" \
             -H 'Content-Type: application/json' -d '{{\"price\":\"{price:.2}\"}}'",
            self.item.id
        );
        let step = narrator.step(&format!("{title} to {price:.2} {}", self.item.currency), &by_hand);
        let event = self.api.set_price(&self.item, price)?;
        step.done(&format!("done, and in the outbox as event {event}"));
        Ok(event)
    }

    fn look_by_hand(&self) -> String {
        format!("curl -s $BASKET_URL/api/v1/basket/{}/alerts -H \"Authorization: Bearer $TOKEN\"", self.buyer)
    }

    fn await_alert(&self, event: &str) -> Result<Alert> {
        let arrived = || Ok(self.api.alerts()?.into_iter().find(|alert| alert.event_id == event));
        wait_until("the alert", PATIENCE, self.interrupt, arrived)
            .context("no alert came (cargo shop status and cargo shop logs may say why)")
    }

    fn watch_nothing_arrive(&self, event: &str) -> Result<()> {
        let until = Instant::now() + SILENCE;
        while Instant::now() < until {
            self.interrupt.check()?;
            let has_arrived = self.api.alerts()?.iter().any(|alert| alert.event_id == event);
            ensure!(!has_arrived, "an alert arrived although no relay runs");
            terminal::pause();
        }
        Ok(())
    }

    fn put_back(&self) -> Result<()> {
        if self.api.item(self.item.id)?.price != self.item.price {
            self.api.set_price(&self.item, self.item.price)?;
        }
        self.api.empty_cart()
    }
}

fn describe(alert: &Alert) -> String {
    let price = |price: &Option<String>| price.clone().unwrap_or_else(|| "?".to_owned());
    format!("{} → {}", price(&alert.old_price), price(&alert.new_price))
}
