-- What the roles of the service may do with its outbox and its inbox; `migrate` grants the same (service-kit's
-- grants.sql), and whatever later versions of these tables need.
grant select on _sqlx_migrations to ordering_app;
grant insert on integration_event_log to ordering_app;
grant select (position, state, created_at, skipped_at) on integration_event_log to ordering_app;
grant select (alive_until) on outbox_relay to ordering_app;
grant insert, delete on outbox_scheduled to ordering_app;
grant select (scheduled_id) on outbox_scheduled to ordering_app;
grant select, insert, update, delete on inbox, inbox_waiting to ordering_app;
grant select, insert, update on inbox_version to ordering_app;
