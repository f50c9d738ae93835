-- An event may be published and not be marked yet: the relay sends the next event of a key when the broker has confirmed the one
-- before, and marks later. Once the event of the erasure has come back, all earlier events of the user have left the log.
create or replace function accounts_forget(forgotten uuid, out changed bigint)
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
    with erased as (
        update integration_event_log as log
           set payload = json_build_object('userId', log.key, 'userName', '(erased)', 'email', 'erased@erased.invalid')
         where log.key = forgotten::text and log.payload ->> 'email' is not null
        returning 1
    )
    select count(*) from erased;
end;
