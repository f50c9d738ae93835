-- An operator asks the service what of its changes is not published yet. It sees how many rows are in which
-- state and how old they are, and still nothing of what they announce.
grant select (position, state, created_at, skipped_at) on integration_event_log to catalog_app;
grant select (alive_until) on outbox_relay to catalog_app;
