-- Buyers who want, or once wanted, their alerts in one mail a day. A row stays when it is no longer wanted: its version
-- goes on, so that events about the buyer keep their order. It goes with the buyer.
create table digest (
    buyer_id text    not null,
    -- The seconds between two of them.
    every_s  integer not null,
    -- The newest alert that needs no telling any more.
    told     bigint  not null,
    -- The scheduled event that makes the next one; null where none is wanted. Another event makes none.
    timer    uuid,
    version  bigint  not null default 0,

    constraint digest_pkey primary key (buyer_id),
    constraint digest_buyer_id_length check (char_length(buyer_id) between 1 and 64),
    constraint digest_every_s_positive check (every_s > 0)
);

grant select, insert, update, delete on digest to basket_app;
-- The service announces without being able to change or read what it has announced; operators ask it how much waits.
grant insert on integration_event_log to basket_app;
grant select (position, state, created_at, skipped_at) on integration_event_log to basket_app;
grant select (alive_until) on outbox_relay to basket_app;
grant insert, delete on outbox_scheduled to basket_app;
grant select (scheduled_id) on outbox_scheduled to basket_app;
