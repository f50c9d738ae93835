-- The generation of the log. It is raised when the log was restored: versions then start again at those of the backup,
-- and subscribers know higher ones. The generation travels with every event, and subscribers compare
-- (generation, version), so whatever follows a restore is newer than what came before it.

create table outbox_log (
    -- One row.
    singleton  boolean     constraint outbox_log_pkey primary key default true,
    generation bigint      not null default 1,
    -- The table and the timeline of the server when the generation began: see outbox_log_identity.
    identity   text        not null,
    since      timestamptz not null default clock_timestamp(),
    constraint outbox_log_singleton check (singleton),
    constraint outbox_log_generation check (generation > 0)
) with (fillfactor = 50);

-- What changes when the log is restored: a dump makes a new table; a point-in-time recovery and the promotion of a
-- standby begin a new timeline, which is in the name of the file that the server writes its log to. A new generation
-- after a promotion that lost nothing does no harm.
create function outbox_log_identity() returns text language plpgsql stable as $$
begin
    return format('%s/%s', 'integration_event_log'::regclass::oid, left(pg_walfile_name(pg_current_wal_lsn()), 8));
exception when others then
    -- A server that does not tell its timeline.
    return 'integration_event_log'::regclass::oid::text;
end
$$;

insert into outbox_log (identity) values (outbox_log_identity());
