-- Events that are to be announced later. A producer schedules one in the transaction of its change, and may cancel it
-- in a later transaction. When it is due, a relay moves it into the log, where it is an event like any other.

create table outbox_scheduled (
    -- Becomes the event's id.
    scheduled_id uuid        constraint outbox_scheduled_pkey primary key default gen_random_uuid(),
    due          timestamptz not null,
    event_type   text        not null,
    key          text        not null,
    -- Null: the version is the position that the event gets in the log.
    key_version  bigint,
    payload      json        not null,
    headers      json        not null default '{}',
    created_at   timestamptz not null default clock_timestamp(),
    constraint outbox_scheduled_due check (due >= '0001-01-01 00:00:00+00' and due < '10000-01-01 00:00:00+00'),
    -- The limits of the log: what could not be entered there later is refused now.
    constraint outbox_scheduled_event_type check (octet_length(event_type) between 1 and 255),
    constraint outbox_scheduled_key check (octet_length(key) between 1 and 255),
    constraint outbox_scheduled_payload check (octet_length(payload::text) <= 262144),
    constraint outbox_scheduled_headers check (octet_length(headers::text) <= 4096)
);

create index outbox_scheduled_due on outbox_scheduled (due, scheduled_id);

-- Moves at most `at_most` due events into the log, in the order of their times. `next_due_in` is the number of seconds
-- until the next one, negative where more are due, null where there is none.
--
-- With its owner's rights, so that a relay's role need not be allowed to write to the log. The body is bound to the
-- tables when the function is made: no search_path and no temporary table can make it mean others. One relay at a time does
-- it, so that events of a key enter the log in the order of their times; the others find the lock taken and move on.
create function outbox_release_due(at_most integer, out released bigint, out next_due_in double precision)
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
    with lock as materialized (
        select pg_try_advisory_xact_lock(hashtextextended('outbox_release_due', 0)) as is_held
    ), due as (
        -- A row that is being cancelled is left alone; if the cancellation fails it is released next time.
        select scheduled.* from outbox_scheduled as scheduled, lock
         where lock.is_held and scheduled.due <= clock_timestamp()
         order by scheduled.due, scheduled.scheduled_id limit least(greatest(at_most, 0), 10000)
           for update of scheduled skip locked
    ), entered as (
        insert into integration_event_log (event_id, event_type, key, key_version, payload, headers)
        select due.scheduled_id, due.event_type, due.key, due.key_version, due.payload, due.headers
          from due order by due.due, due.scheduled_id
        returning integration_event_log.event_id
    ), gone as (
        delete from outbox_scheduled as scheduled using entered where scheduled.scheduled_id = entered.event_id
        returning scheduled.scheduled_id
    )
    select (select count(*) from gone),
           (select extract(epoch from scheduled.due - clock_timestamp())::float8 from outbox_scheduled as scheduled
             where scheduled.scheduled_id not in (select gone.scheduled_id from gone)
             order by scheduled.due limit 1);
end;
revoke all on function outbox_release_due from public;
