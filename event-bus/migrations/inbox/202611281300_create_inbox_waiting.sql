-- Order through failures: events that wait for another try, and the events of the same key behind them.

-- A row is written in the transaction that enters the event in the inbox, and deleted in the transaction of its
-- effect. Only the first event of a key is tried; the others have no time for a try until it is gone.
create table inbox_waiting (
    consumer        text        not null,
    event_id        uuid        not null,
    -- The order of the events of a key.
    position        bigint      generated always as identity,
    source          text        not null,
    key             text        not null,
    event_type      text        not null,
    generation      bigint      not null,
    key_version     bigint      not null,
    occurred_at     timestamptz not null,
    traceparent     text,
    tracestate      text,
    -- As it came, to the byte.
    data            json        not null,
    redelivered     boolean     not null,
    -- False where only the newest event of a key counts: others do not wait behind this one.
    holds_key       boolean     not null,
    failures        integer     not null default 0,
    -- Of the last failure.
    reason          text,
    next_attempt_at timestamptz,
    -- Set after the last try: the key waits for an operator.
    blocked_at      timestamptz,
    entered_at      timestamptz not null default clock_timestamp(),
    constraint inbox_waiting_pkey primary key (consumer, event_id)
);

-- Does anything of this key wait, and what is the first?
create index inbox_waiting_key on inbox_waiting (consumer, source, key, position) where holds_key;

-- What is to be tried next?
create index inbox_waiting_due on inbox_waiting (consumer, next_attempt_at) where next_attempt_at is not null;

-- Is one of these older than what was handled meanwhile?
create index inbox_waiting_newest on inbox_waiting (consumer, event_type) where not holds_key;

create index inbox_waiting_blocked on inbox_waiting (consumer, blocked_at) where blocked_at is not null;

-- Who decided that a waiting event is to have no effect, and why.
alter table inbox
    add column skipped_at  timestamptz,
    add column skipped_by  text,
    add column skip_reason text;

-- The guard belongs to a source as well: two services may use the same keys. And versions count within a
-- generation of the source's log: a restored log begins a new one.
alter table inbox_version
    add column source              text,
    add column generation          bigint not null default 1,
    add column previous_generation bigint;

with newest as (
    select distinct on (consumer, key, event_type) consumer, key, event_type, source
      from inbox order by consumer, key, event_type, received_at desc
), only_one as (
    select consumer, event_type, min(source) as source from inbox
     group by consumer, event_type having min(source) = max(source)
)
update inbox_version as known
   set source = coalesce(newest.source, only_one.source, ''),
       previous_generation = case when known.previous is not null then 1 end
  from inbox_version as old
  left join newest using (consumer, key, event_type)
  left join only_one using (consumer, event_type)
 where (known.consumer, known.key, known.event_type) = (old.consumer, old.key, old.event_type);

alter table inbox_version
    alter column source set not null,
    drop constraint inbox_version_pkey,
    add constraint inbox_version_pkey primary key (consumer, source, key, event_type);
