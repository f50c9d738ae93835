-- The answers that were given to requests with an Idempotency-Key, for 24 hours. A row is written in
-- the transaction of the request's effect, so there is never one without the other.

create table idempotency (
    subject     text        not null,
    -- Method and path, as in 'PUT /api/v1/catalog/items/7/price'.
    operation   text        not null,
    key         text        not null,
    -- SHA-256 of the body: the same key with another body is a mistake of the client's.
    fingerprint bytea       not null,
    status      smallint    not null,
    headers     json        not null,
    body        text        not null,
    created_at  timestamptz not null default clock_timestamp(),
    constraint idempotency_pkey primary key (subject, operation, key),
    constraint idempotency_fingerprint check (octet_length(fingerprint) = 32),
    constraint idempotency_key_length check (char_length(key) between 1 and 255),
    constraint idempotency_status check (status between 200 and 499)
);

-- For the removal of what is too old.
create index idempotency_by_age on idempotency (created_at);
