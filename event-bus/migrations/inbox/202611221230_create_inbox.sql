-- The inbox: which events a consumer has had. Its row is written in the transaction of the effect, on
-- every delivery, so that an event has its effect once however often it is delivered.

create table inbox (
    consumer    text        not null,
    event_id    uuid        not null,
    source      text        not null,
    event_type  text        not null,
    key         text        not null,
    key_version bigint      not null,
    -- False where the event was older than what the consumer knew of its key: entered, but without effect.
    applied     boolean     not null,
    -- The broker's flag at the delivery that was entered.
    redelivered boolean     not null,
    received_at timestamptz not null default clock_timestamp(),
    constraint inbox_pkey primary key (consumer, event_id)
);

-- Retention deletes by age.
create index inbox_received_at on inbox using brin (received_at);

-- The version guard: the newest version of a key that a consumer has had, for each type of event. It
-- outlives the inbox rows, so a late repeat of an old event cannot undo a newer one, ever.
create table inbox_version (
    consumer    text   not null,
    key         text   not null,
    event_type  text   not null,
    key_version bigint not null,
    -- What it was before it was last raised: an upsert can return only what it leaves behind.
    previous    bigint,
    constraint inbox_version_pkey primary key (consumer, key, event_type)
) with (fillfactor = 80);
