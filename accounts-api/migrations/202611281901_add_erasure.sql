-- An erased user's events stay in the log: others may still have to be shown that they were sent. The name and the
-- address in them go. Called when the event of the erasure has come back to this service; so the user's earlier events are
-- published. The service itself cannot read or change what it has appended.
create function accounts_forget(forgotten uuid, out changed bigint)
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
    with erased as (
        update integration_event_log as log
           set payload = json_build_object('userId', log.key, 'userName', '(erased)', 'email', 'erased@erased.invalid')
         where log.key = forgotten::text and log.payload ->> 'email' is not null and log.state <> 'NotPublished'
        returning 1
    )
    select count(*) from erased;
end;
revoke all on function accounts_forget from public;
grant execute on function accounts_forget to accounts_app;

-- Finds the events of a user.
create index integration_event_log_of_user on integration_event_log (key);

-- What the roles of the service may do with its outbox and its inbox; `migrate` grants the same (service-kit's
-- grants.sql), and whatever later versions of these tables need.
grant select on _sqlx_migrations to accounts_app;
grant insert on integration_event_log to accounts_app;
grant select (position, state, created_at, skipped_at) on integration_event_log to accounts_app;
grant select (alive_until) on outbox_relay to accounts_app;
grant select, insert, update, delete on inbox, inbox_waiting to accounts_app;
grant select, insert, update on inbox_version to accounts_app;
