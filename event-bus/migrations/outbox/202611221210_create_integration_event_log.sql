-- The transactional outbox: what a service has promised to tell others, in the same transaction as
-- the change itself. A relay publishes the rows and marks them.

create table integration_event_log (
    event_id     uuid        constraint integration_event_log_pkey primary key,
    -- Orders the events of one key. The writer holds the lock on the key's row when it takes the number,
    -- so within a key it follows the order of the commits; between keys it says nothing.
    position     bigint      not null generated always as identity,
    event_type   text        not null,
    key          text        not null,
    -- What the change made of the key's version: rises with every event of the key.
    key_version  bigint      not null,
    -- hash(key); relays own partitions, not rows, so that no relay can overtake another within a key.
    partition    smallint    not null,
    -- json, not jsonb: the text goes out as it was written.
    payload      json        not null,
    -- The W3C trace context of the request that caused the event.
    headers      json        not null default '{}',
    state        text        not null default 'NotPublished',
    -- How often a relay of this log had the broker's confirmation for it; a send that was cut off is not counted.
    times_sent   integer     not null default 0,
    created_at   timestamptz not null default clock_timestamp(),
    published_at timestamptz,
    last_error   text,
    skipped_at   timestamptz,
    skipped_by   text,
    skip_reason  text,
    constraint integration_event_log_state check (state in ('NotPublished', 'InProgress', 'Published', 'PublishedFailed')),
    constraint integration_event_log_partition check (partition between 0 and 63),
    -- An AMQP short string holds 255 bytes: a longer type could not be a routing key.
    constraint integration_event_log_event_type check (octet_length(event_type) between 1 and 255),
    constraint integration_event_log_key check (octet_length(key) between 1 and 255),
    constraint integration_event_log_payload check (octet_length(payload::text) <= 262144),
    constraint integration_event_log_headers check (octet_length(headers::text) <= 4096),
    constraint integration_event_log_published check (state <> 'Published' or published_at is not null),
    constraint integration_event_log_skipped check (
        (skipped_at is null) = (skipped_by is null) and (skipped_at is null) = (skip_reason is null))
) with (
    -- Every row is updated once, soon after it was written: vacuum often, by count rather than by share,
    -- so that a long history does not make the dead rows of today wait.
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.05
);

-- What a relay looks for, in order. Partial: its size follows the backlog, not the history.
create index integration_event_log_pending on integration_event_log (position, partition, key)
    where state in ('NotPublished', 'InProgress');

-- Keys that wait behind an event which could not be published, until an operator decides.
create index integration_event_log_blocked on integration_event_log (key, position)
    where state = 'PublishedFailed' and skipped_at is null;

-- What is settled, in order: for retention, which takes from its front, and for replays. One entry for
-- each event, made by the update that marks it and close to the right-hand edge; an index that also had
-- the pending rows would be written twice for each event. Not brin: vacuumed pages are used again, and a
-- block range never forgets the oldest row that it once had.
create index integration_event_log_settled on integration_event_log (position)
    where state = 'Published' or skipped_at is not null;

-- Retention. Looks at the next `at_most` settled events after a position and deletes those that were
-- settled longer ago than `older_than`, which counts as a day at least. `last_position` is where to go on;
-- it is null when nothing further can be old enough.
--
-- With its owner's rights, so that a relay's role need not be allowed to delete. The body is bound to the
-- table when the function is made: no search_path and no temporary table can make it mean another one.
create function integration_event_log_purge(
    older_than interval, after_position bigint, at_most integer, out deleted bigint, out last_position bigint)
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
    with threshold as (
        select clock_timestamp() - greatest(older_than, interval '1 day') as settled_before
    ), looked_at as (
        select log.event_id, log.position, log.created_at, coalesce(log.published_at, log.skipped_at) as settled_at
          from integration_event_log as log
         where (log.state = 'Published' or log.skipped_at is not null) and log.position > after_position
         order by log.position
         limit least(greatest(at_most, 0), 10000)
    ), old as (
        -- Two relays that do this at once share the work and never wait for each other.
        select log.event_id from integration_event_log as log
         where log.event_id in (select looked_at.event_id from looked_at, threshold where settled_at < settled_before)
           for update skip locked
    ), gone as (
        delete from integration_event_log as log using old where log.event_id = old.event_id returning log.event_id
    )
    select (select count(*) from gone),
           (select max(position) from looked_at
            -- Positions are taken in the order of time: behind a page of young events are younger ones.
            having min(looked_at.created_at) < (select settled_before from threshold));
end;
revoke all on function integration_event_log_purge from public;

-- The relays at work on this database. A row ends when its time runs out or its session is gone.
create table outbox_relay (
    relay_id      uuid        constraint outbox_relay_pkey primary key,
    name          text        not null,
    backend_pid   integer     not null,
    backend_start timestamptz not null,
    alive_until   timestamptz not null,
    started_at    timestamptz not null default clock_timestamp()
) with (fillfactor = 50);

-- Who publishes which partition, on this database's clock. `epoch` rises with every new owner: a write
-- that an owner makes under an older epoch is refused.
create table outbox_partition (
    partition   smallint    constraint outbox_partition_pkey primary key,
    relay_id    uuid        constraint outbox_partition_relay references outbox_relay on delete set null,
    epoch       bigint      not null default 0,
    owned_until timestamptz
) with (fillfactor = 50);

insert into outbox_partition (partition) select generate_series(0, 63);
