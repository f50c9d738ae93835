-- What is due is found by the index on that time: no index answers to the clock itself, which changes with each row, so that every
-- scheduled event was read for each that was due.

create or replace function outbox_release_due(at_most integer, out released bigint, out next_due_in double precision)
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
    with lock as materialized (
        select pg_try_advisory_xact_lock(hashtextextended('outbox_release_due', 0)) as is_held
    ), due as (
        -- A row that is being cancelled is left alone; if the cancellation fails it is released next time.
        select scheduled.* from outbox_scheduled as scheduled, lock
         where lock.is_held and scheduled.due <= statement_timestamp()
         order by scheduled.due, scheduled.scheduled_id limit least(greatest(at_most, 0), 10000)
           for update of scheduled skip locked
    ), entered as (
        insert into integration_event_log (event_id, event_type, key, key_version, payload, headers)
        select due.scheduled_id, due.event_type, due.key, due.key_version, due.payload, due.headers
          from due order by due.due, due.scheduled_id
        on conflict (event_id) do nothing
    ), gone as (
        delete from outbox_scheduled as scheduled using due where scheduled.scheduled_id = due.scheduled_id
        returning scheduled.scheduled_id
    )
    select (select count(*) from gone),
           (select extract(epoch from scheduled.due - clock_timestamp())::float8 from outbox_scheduled as scheduled
             where scheduled.scheduled_id not in (select gone.scheduled_id from gone)
             order by scheduled.due limit 1);
end;
