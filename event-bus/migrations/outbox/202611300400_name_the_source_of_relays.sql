-- Relays of one log that give its events different sources would undo the order of keys at their subscribers, which is kept
-- for each source. A relay says which one it gives; empty where it is of an older release.

alter table outbox_relay add column source text not null default '';
