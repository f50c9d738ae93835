-- What was asked for and is not done yet: the command register_user has the id alone and finds the rest here.
create table registration (
    user_id       uuid        not null,
    user_name     text        not null,
    email         text        not null,
    email_key     text        not null,
    password_hash text        not null,
    asked_at      timestamptz not null default clock_timestamp(),

    constraint registration_pkey primary key (user_id)
);

create table app_user (
    user_id       uuid        not null,
    user_name     text        not null,
    -- As it is written to, and as it is compared: in one case.
    email         text        not null,
    email_key     text        not null,
    -- Argon2id, with its parameters and salt. A rejected user has none, and cannot sign in.
    password_hash text,
    status        text        not null,
    -- What the user's tokens allow, set by an operator; a buyer's allow nothing beyond what is theirs.
    scopes        text        not null default '',
    -- The version in the user's events.
    version       bigint      not null default 2,
    created_at    timestamptz not null default clock_timestamp(),
    validated_at  timestamptz,

    constraint app_user_pkey primary key (user_id),
    constraint app_user_name_length check (char_length(user_name) between 1 and 100),
    constraint app_user_email_length check (char_length(email) between 3 and 254),
    constraint app_user_status_known check (status in ('registered', 'validated', 'rejected')),
    constraint app_user_password_unless_rejected check ((status = 'rejected') = (password_hash is null)),
    constraint app_user_validated check ((status = 'validated') = (validated_at is not null))
)
with (fillfactor = 80);

-- Whoever comes first has the address; those who come at the same time wait for this, and are rejected.
create unique index app_user_email_once on app_user (email_key) where status <> 'rejected';
create index app_user_rejected on app_user (email_key, created_at) where status = 'rejected';

-- One row is the present key; the others were replaced and are still published.
create table signing_key (
    key_id      text        not null,
    -- Ed25519. Whoever reads it can be anybody.
    private_key bytea       not null,
    created_at  timestamptz not null default clock_timestamp(),
    replaced_at timestamptz,

    constraint signing_key_pkey primary key (key_id),
    constraint signing_key_private_key_length check (octet_length(private_key) = 32)
);
create unique index signing_key_present on signing_key ((true)) where replaced_at is null;

comment on table registration is 'commands that wait for their event; gone once it was handled';
comment on column app_user.email_key is 'the address in one case, with the domain in ASCII; unique among all but rejected users';

grant select, insert, delete on registration to accounts_app;
grant select, insert, update, delete on app_user to accounts_app;
grant select, insert, update, delete on signing_key to accounts_app;
