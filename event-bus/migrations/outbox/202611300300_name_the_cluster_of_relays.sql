-- Exchange and virtual host have the same names on many brokers. A relay adds the name of the cluster that it is connected
-- to; empty while it has no broker, and where it is of an older release.

alter table outbox_relay add column cluster text not null default '';
