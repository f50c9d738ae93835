-- What the roles of a service may do with its outbox and inbox: what they need, and nothing else.
--
-- Runs after every migration. Roles are named after the database; one that does not exist gets nothing.
-- Rights on the service's own tables are granted by the service's migrations.
do $$
declare
    app    constant text := current_database() || '_app';
    relay  constant text := current_database() || '_relay';
    reader constant text := current_database() || '_inbox_reader';
    has_outbox constant boolean := to_regclass('integration_event_log') is not null;
    has_inbox  constant boolean := to_regclass('inbox') is not null;
begin
    if exists (select from pg_roles where rolname = app) then
        -- Readiness asks whether every migration was applied.
        execute format('grant select on _sqlx_migrations to %I', app);
        if has_outbox then
            -- The service appends without being able to change or read what it has appended. Operators ask it
            -- how much waits.
            execute format('grant insert on integration_event_log to %I', app);
            execute format('grant select (position, state, created_at, skipped_at) on integration_event_log to %I', app);
            execute format('grant select (alive_until) on outbox_relay to %I', app);
            -- It schedules events and cancels them by id.
            execute format('grant insert, delete on outbox_scheduled to %I', app);
            execute format('grant select (scheduled_id) on outbox_scheduled to %I', app);
        end if;
        if has_inbox then
            execute format('grant select, insert, update, delete on inbox to %I', app);
            execute format('grant select, insert, update on inbox_version to %I', app);
            execute format('grant select, insert, update, delete on inbox_waiting to %I', app);
        end if;
    end if;
    if has_outbox and exists (select from pg_roles where rolname = relay) then
        -- The relay reads the log and records the outcome of each row; it cannot change what a row says.
        execute format('grant select on integration_event_log to %I', relay);
        execute format('grant update (state, times_sent, published_at, last_error, skipped_at, skipped_by, skip_reason)
                            on integration_event_log to %I', relay);
        -- It may not delete from the log, but have what is published and old deleted.
        execute format('grant execute on function integration_event_log_purge to %I', relay);
        -- It has due events moved into the log, and lists and cancels them for operators.
        execute format('grant execute on function outbox_release_due to %I', relay);
        execute format('grant select, delete on outbox_scheduled to %I', relay);
        execute format('grant select, insert, update, delete on outbox_relay to %I', relay);
        execute format('grant select, update on outbox_partition, outbox_log to %I', relay);
        execute format('grant select on outbox_generation to %I', relay);
    end if;
    if has_inbox and exists (select from pg_roles where rolname = reader) then
        -- For those who trace an event or audit the logs.
        execute format('grant select on inbox, inbox_version, inbox_waiting to %I', reader);
    end if;
end $$;
