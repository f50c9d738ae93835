-- What a buyer was told about the products in their cart: one row per event and cart, kept as history.
-- No foreign keys: alerts are only ever written from locked lines of an existing cart, a hundred
-- thousand at a time, and they outlive what they tell of.
--
-- alert_id is taken while the buyer's cart row is locked. So for one buyer (not across buyers) a higher
-- id was also committed later, and "everything after id n" misses nothing: streams rely on that.
create table alert (
    alert_id        bigint generated always as identity,
    buyer_id        text        not null,
    event_id        uuid        not null,
    kind            text        not null,
    product_id      bigint      not null,
    product_name    text        not null,
    old_price       numeric(12, 2),
    new_price       numeric(12, 2),
    created_at      timestamptz not null default now(),
    acknowledged_at timestamptz,

    -- Also the way to a buyer's alerts in order: the list (backwards), the stream (forwards from an id), the
    -- newest. There are no more indexes than these two: writing alerts is most of what a price change costs.
    constraint alert_pkey primary key (buyer_id, alert_id),
    constraint alert_once_per_event_and_buyer unique (event_id, buyer_id),
    constraint alert_kind_known check (kind in ('price_changed', 'product_removed')),
    constraint alert_price_change_has_prices
        check (kind <> 'price_changed' or (old_price is not null and new_price is not null)),
    constraint alert_old_price_positive check (old_price > 0),
    constraint alert_new_price_positive check (new_price > 0)
)
-- Acknowledging rewrites the row once.
with (fillfactor = 90);

comment on column alert.event_id is 'the event that caused it; with buyer_id unique, so an event alerts a cart once';
comment on column alert.new_price is 'null when the product was removed';
