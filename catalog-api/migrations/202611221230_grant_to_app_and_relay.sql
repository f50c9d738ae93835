-- What the service's own role and the relay's may do: what they need, and nothing else.

-- The service serves requests: it cannot touch the schema, and it announces without being able to
-- change or even read what it has announced.
grant select, insert, update, delete on product to catalog_app;
grant select on product_type, product_brand to catalog_app;
grant select, insert, update, delete on idempotency to catalog_app;
grant insert on integration_event_log to catalog_app;
grant usage on sequence product_product_id_seq to catalog_app;
-- Readiness asks whether every migration was applied.
grant select on _sqlx_migrations to catalog_app;

-- The relay reads the log and says what became of each row; what a row announces it cannot change.
grant select on integration_event_log to catalog_relay;
grant update (state, times_sent, published_at, last_error, skipped_at, skipped_by, skip_reason)
    on integration_event_log to catalog_relay;
-- It may not delete from the log, but have what is published and old leave.
grant execute on function integration_event_log_purge to catalog_relay;
grant select, insert, update, delete on outbox_relay to catalog_relay;
grant select, update on outbox_partition to catalog_relay;
