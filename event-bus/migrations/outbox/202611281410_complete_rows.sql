-- The database completes a row, so that `insert into integration_event_log (event_type, key, payload)` is enough.
--
-- `partition` was computed by the writer, and a writer that computed it wrongly broke the order of a key without a
-- word. Now a trigger computes it for every row, whatever the writer says. A generated column would do the same, but
-- an insert that names the column would fail, and adding it would rewrite the table.

alter table integration_event_log alter column event_id set default gen_random_uuid();

create function integration_event_log_complete() returns trigger language plpgsql as $$
begin
    new.partition := pg_catalog.hashtextextended(new.key, 0) & 63;
    -- Within a key positions rise in the order of the commits, so they serve as versions.
    new.key_version := coalesce(new.key_version, new.position);
    return new;
end
$$;

create trigger integration_event_log_complete before insert on integration_event_log
    for each row execute function integration_event_log_complete();

-- Pending and later events of a key must be in one partition. The trigger's lock keeps writers out meanwhile.
update integration_event_log set partition = hashtextextended(key, 0) & 63 where state <> 'Published';

-- A time that no calendar has, such as 'infinity', could not be written to a message.
update integration_event_log
   set created_at = clock_timestamp()
 where state <> 'Published'
   and not (created_at >= '0001-01-01 00:00:00+00' and created_at < '10000-01-01 00:00:00+00');

-- Not checked for the rows that are there: published ones are not changed any more. A null passes a check.
alter table integration_event_log add constraint integration_event_log_times check (
    created_at >= '0001-01-01 00:00:00+00' and created_at < '10000-01-01 00:00:00+00'
    and published_at >= '0001-01-01 00:00:00+00' and published_at < '10000-01-01 00:00:00+00'
    and skipped_at >= '0001-01-01 00:00:00+00' and skipped_at < '10000-01-01 00:00:00+00') not valid;
