-- Orders. The prices and names of the lines are those of the checkout and never change.
--
-- Lock order: the order, then its buyer's row in order_buyer.
create table customer_order (
    order_id         uuid           not null,
    buyer_id         text           not null,
    -- The request that placed it: a repetition of the request gets this order again.
    idempotency_key  text           not null,
    fingerprint      bytea          not null,
    status           text           not null,
    -- Why it was cancelled, and what is known beyond that.
    reason           text,
    detail           text,
    address          json           not null,
    total            numeric(14, 2) not null,
    currency         text           not null default 'EUR',
    -- The payment provider's name for a means of payment; no card number.
    payment_token    text           not null,
    -- How long each reply of another service is waited for.
    reply_deadline_s integer        not null,
    -- The scheduled event that ends the present wait; null where nothing is waited for.
    timer            uuid,
    -- Rises with every change; the entity tag, and the version in the order's events.
    version          bigint         not null default 1,
    placed_at        timestamptz    not null default clock_timestamp(),

    constraint customer_order_pkey primary key (order_id),
    constraint customer_order_once_per_key unique (buyer_id, idempotency_key),
    constraint customer_order_buyer_id_length check (char_length(buyer_id) between 1 and 64),
    constraint customer_order_key_length check (char_length(idempotency_key) between 1 and 255),
    constraint customer_order_fingerprint check (octet_length(fingerprint) = 32),
    constraint customer_order_status_known check (
        status in ('submitted', 'awaiting_stock', 'stock_confirmed', 'paid', 'shipped', 'cancelled')),
    constraint customer_order_reason_known check (reason in ('buyer', 'stock_rejected', 'payment_failed')),
    constraint customer_order_reason_if_cancelled check ((status = 'cancelled') = (reason is not null)),
    constraint customer_order_total_positive check (total > 0),
    constraint customer_order_currency_is_euro check (currency = 'EUR'),
    constraint customer_order_version_positive check (version > 0)
)
with (fillfactor = 70);

-- The lists, newest first: a buyer's own, and everybody's.
create index customer_order_by_buyer on customer_order (buyer_id, placed_at desc, order_id desc);
create index customer_order_by_time on customer_order (placed_at desc, order_id desc);

create table order_line (
    order_id     uuid           not null,
    line_number  smallint       not null,
    product_id   bigint         not null,
    product_name text           not null,
    picture_url  text           not null,
    unit_price   numeric(12, 2) not null,
    quantity     smallint       not null,

    constraint order_line_pkey primary key (order_id, line_number),
    constraint order_line_order_id_fkey foreign key (order_id) references customer_order (order_id),
    constraint order_line_product_once unique (order_id, product_id),
    constraint order_line_quantity_in_range check (quantity between 1 and 99),
    constraint order_line_unit_price_positive check (unit_price > 0)
);

-- Numbers the changes of a buyer's orders. The row is locked until the transaction ends, so a higher number was also
-- committed later, and "everything after number n" misses nothing: streams rely on that.
create table order_buyer (
    buyer_id    text   not null,
    last_change bigint not null,

    constraint order_buyer_pkey primary key (buyer_id)
)
with (fillfactor = 70);

-- The history of an order: one row for each status, with the event that brought it about.
create table order_change (
    order_id   uuid        not null,
    version    bigint      not null,
    status     text        not null,
    reason     text,
    changed_at timestamptz not null default clock_timestamp(),
    event_id   uuid        not null,
    buyer_id   text        not null,
    number     bigint      not null,

    constraint order_change_pkey primary key (order_id, version),
    constraint order_change_order_id_fkey foreign key (order_id) references customer_order (order_id),
    -- Also the way to what a buyer's stream has not sent yet.
    constraint order_change_number_of_buyer unique (buyer_id, number)
);

grant select, insert, update on customer_order, order_buyer to ordering_app;
grant select, insert on order_line, order_change to ordering_app;
