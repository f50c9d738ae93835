//! The rules in a small world: a catalog and a payment processor, and messages that come in any order, repeated and late.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// What the catalog knows of the order's stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stock {
    Untouched,
    Reserved,
    Rejected,
    Released,
    Sold,
}

/// What the payment processor knows of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Charge {
    None,
    Charged,
    Failed,
    Refunded,
}

/// How another service answers: as it should or not, and whether the answer arrives.
#[derive(Debug, Clone, Copy)]
struct Manner {
    agrees: bool,
    answers: bool,
}

/// How the other services behave.
#[derive(Debug, Clone, Copy)]
struct Temper {
    stock: Manner,
    payment: Manner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message {
    Order(Happening),
    Catalog(Action),
    Payment(Action),
}

struct World {
    temper: Temper,
    status: Status,
    stock: Stock,
    charge: Charge,
    payment_cancelled: bool,
    /// Every message that was sent. A message may be delivered more than once, and in any order.
    sent: Vec<Message>,
    delivered: Vec<bool>,
    statuses: Vec<Status>,
    announced: Vec<Action>,
}

impl World {
    fn new(temper: Temper) -> Self {
        let mut world = Self {
            temper,
            status: Status::Submitted,
            stock: Stock::Untouched,
            charge: Charge::None,
            payment_cancelled: false,
            sent: Vec::new(),
            delivered: Vec::new(),
            statuses: vec![Status::Submitted],
            announced: Vec::new(),
        };
        world.send(Message::Order(Happening::GracePeriodEnded));
        world
    }

    fn send(&mut self, message: Message) {
        self.sent.push(message);
        self.delivered.push(false);
    }

    fn deliver(&mut self, at: usize) {
        self.delivered[at] = true;
        match self.sent[at] {
            Message::Order(happening) => self.happens(happening),
            Message::Catalog(action) => self.catalog(action),
            Message::Payment(action) => self.payment(action),
        }
    }

    fn happens(&mut self, happening: Happening) {
        let actions = match decide(self.status, happening) {
            Decision::Become(status, reason, actions) => {
                assert_ne!(status, self.status, "a change of the status changes it");
                assert_eq!(status == Status::Cancelled, reason.is_some());
                self.status = status;
                self.statuses.push(status);
                actions
            }
            Decision::Follow(actions) => actions,
            Decision::Nothing | Decision::Refuse => return,
        };
        for &action in actions {
            match action {
                Action::RequestStock | Action::ReleaseStock | Action::SellStock => {
                    self.send(Message::Catalog(action));
                }
                Action::RequestPayment | Action::CancelPayment => self.send(Message::Payment(action)),
                announcement => self.announced.push(announcement),
            }
            if let Some(step) = waits_for(action) {
                self.send(Message::Order(Happening::ReplyOverdue(step)));
            }
        }
    }

    /// The catalog remembers a release that comes before its request.
    fn catalog(&mut self, action: Action) {
        match (self.stock, action) {
            (Stock::Untouched, Action::RequestStock) => {
                let (stock, reply) = if self.temper.stock.agrees {
                    (Stock::Reserved, Happening::StockReserved)
                } else {
                    (Stock::Rejected, Happening::StockRejected)
                };
                self.stock = stock;
                if self.temper.stock.answers {
                    self.send(Message::Order(reply));
                }
            }
            (Stock::Untouched | Stock::Reserved, Action::ReleaseStock) => self.stock = Stock::Released,
            (Stock::Reserved, Action::SellStock) => self.stock = Stock::Sold,
            (stock, Action::SellStock) => assert_eq!(stock, Stock::Sold, "only what is reserved is sold"),
            _ => {}
        }
    }

    /// So does the payment processor. An answer that is lost leaves a charge behind.
    fn payment(&mut self, action: Action) {
        match (self.charge, action) {
            (Charge::None, Action::RequestPayment) if !self.payment_cancelled => {
                // Asked for with the stock reserved, however late this is delivered.
                assert!(matches!(self.stock, Stock::Reserved | Stock::Released), "{:?}", self.stock);
                let (charge, reply) = if self.temper.payment.agrees {
                    (Charge::Charged, Happening::PaymentSucceeded)
                } else {
                    (Charge::Failed, Happening::PaymentFailed)
                };
                self.charge = charge;
                if self.temper.payment.answers {
                    self.send(Message::Order(reply));
                }
            }
            (Charge::None, Action::CancelPayment) => self.payment_cancelled = true,
            (Charge::Charged, Action::CancelPayment) => {
                self.charge = Charge::Refunded;
                self.send(Message::Order(Happening::PaymentRefunded));
            }
            _ => {}
        }
    }

    /// Delivers what was never delivered, until there is nothing more.
    fn rest(&mut self) {
        while let Some(at) = self.delivered.iter().position(|delivered| !delivered) {
            self.deliver(at);
        }
    }
}

fn temper() -> impl Strategy<Value = Temper> {
    let manner = || any::<(bool, bool)>().prop_map(|(agrees, answers)| Manner { agrees, answers });
    (manner(), manner()).prop_map(|(stock, payment)| Temper { stock, payment })
}

/// What comes next: mostly a message, sometimes the buyer or a merchant.
#[derive(Debug, Clone)]
enum Next {
    Deliver(Index),
    Cancel,
    Ship,
}

fn next() -> impl Strategy<Value = Next> {
    prop_oneof![
        20 => any::<Index>().prop_map(Next::Deliver),
        1 => Just(Next::Cancel),
        1 => Just(Next::Ship),
    ]
}

fn statuses() -> impl Strategy<Value = Status> {
    use Status::{AwaitingStock, Cancelled, Paid, Shipped, StockConfirmed, Submitted};
    prop::sample::select(vec![Submitted, AwaitingStock, StockConfirmed, Paid, Shipped, Cancelled])
}

fn happenings() -> impl Strategy<Value = Happening> {
    use Happening as H;
    prop::sample::select(vec![
        H::GracePeriodEnded,
        H::StockReserved,
        H::StockRejected,
        H::PaymentSucceeded,
        H::PaymentFailed,
        H::PaymentRefunded,
        H::ReplyOverdue(Step::Stock),
        H::ReplyOverdue(Step::Payment),
        H::Cancel,
        H::Ship,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn at_rest_stock_and_money_are_where_the_order_says(
        temper in temper(),
        course in prop::collection::vec(next(), 0..60),
    ) {
        let mut world = World::new(temper);
        for next in course {
            match next {
                Next::Deliver(index) => world.deliver(index.index(world.sent.len())),
                Next::Cancel => world.happens(Happening::Cancel),
                Next::Ship => world.happens(Happening::Ship),
            }
        }
        world.rest();
        match world.status {
            Status::Paid | Status::Shipped => {
                prop_assert_eq!(world.stock, Stock::Sold);
                prop_assert_eq!(world.charge, Charge::Charged);
            }
            Status::Cancelled => {
                prop_assert!(!matches!(world.stock, Stock::Reserved | Stock::Sold), "{:?}", world.stock);
                prop_assert_ne!(world.charge, Charge::Charged);
            }
            open => prop_assert!(false, "still {open:?} when all deadlines are over"),
        }
    }

    #[test]
    fn each_final_status_is_announced_once(
        temper in temper(),
        course in prop::collection::vec(next(), 0..60),
    ) {
        let mut world = World::new(temper);
        for next in course {
            match next {
                Next::Deliver(index) => world.deliver(index.index(world.sent.len())),
                Next::Cancel => world.happens(Happening::Cancel),
                Next::Ship => world.happens(Happening::Ship),
            }
        }
        world.rest();
        let expected: Vec<Action> = world.statuses.iter().filter_map(|status| match status {
            Status::Paid => Some(Action::AnnouncePaid),
            Status::Shipped => Some(Action::AnnounceShipped),
            Status::Cancelled => Some(Action::AnnounceCancelled),
            _ => None,
        }).collect();
        prop_assert_eq!(world.announced, expected);
    }

    #[test]
    fn an_order_never_comes_back_from_its_end(
        status in statuses(),
        happenings in prop::collection::vec(happenings(), 0..30),
    ) {
        let mut now = status;
        for happening in happenings {
            if let Decision::Become(next, ..) = decide(now, happening) {
                prop_assert!(!matches!(now, Status::Shipped | Status::Cancelled), "{now:?} became {next:?}");
                prop_assert!(now != Status::Paid || next == Status::Shipped);
                // What has just happened changes nothing when it happens again.
                prop_assert!(!matches!(decide(next, happening), Decision::Become(..)));
                now = next;
            }
        }
    }
}

#[test]
fn an_order_can_be_cancelled_until_it_is_paid_and_shipped_only_when_it_is() {
    use Status::{AwaitingStock, Cancelled, Paid, Shipped, StockConfirmed, Submitted};
    for status in [Submitted, AwaitingStock, StockConfirmed] {
        assert!(matches!(
            decide(status, Happening::Cancel),
            Decision::Become(Cancelled, Some(Reason::Buyer), _)
        ));
        assert_eq!(decide(status, Happening::Ship), Decision::Refuse);
    }
    assert_eq!(decide(Cancelled, Happening::Cancel), Decision::Nothing);
    for status in [Paid, Shipped] {
        assert_eq!(decide(status, Happening::Cancel), Decision::Refuse);
    }
    assert!(matches!(decide(Paid, Happening::Ship), Decision::Become(Shipped, None, _)));
    for status in [Shipped, Cancelled] {
        assert_eq!(decide(status, Happening::Ship), Decision::Refuse);
    }
}
