-- What the relays of a log must agree on, and what an operator should know of each. A relay of an older release leaves
-- the defaults.

alter table outbox_relay
    -- Where it publishes. A log goes to one place: a relay that publishes to another one waits until the others end.
    add column destination text    not null default '',
    -- Whether it can publish. A relay without a broker owns no partitions, and does not count when they are shared.
    add column has_broker  boolean not null default true,
    -- What it cannot do, in words.
    add column problems    text[]  not null default '{}';
