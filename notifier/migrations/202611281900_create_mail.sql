-- Who has which address. A row goes when its user goes.
create table addressee (
    user_id       text primary key check (length(user_id) between 1 and 100),
    email         text not null check (length(email) between 1 and 320),
    registered_at timestamptz not null default now()
);

-- One row for each mail: the work that is left to do, or what became of it.
create table mail (
    mail_id    uuid primary key,
    kind       text not null check (kind in
                   ('welcome', 'address_taken', 'order_paid', 'order_cancelled', 'order_shipped')),
    user_id    text not null check (length(user_id) between 1 and 100),
    state      text not null check (state in ('waiting', 'sent', 'failed', 'unaddressed', 'erased')),
    email      text,
    content    jsonb,
    problem    text,
    tries      integer not null default 0,
    refusals   integer not null default 0,
    due        timestamptz,
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now(),
    constraint work_is_due check ((due is not null) = (state = 'waiting')),
    constraint what_waits_can_be_sent check (state not in ('waiting', 'failed') or (email is not null and content is not null)),
    constraint nothing_personal_is_kept check (state not in ('sent', 'erased') or (email is null and content is null))
);

-- The worker looks for what is due; operators look at states, users' mails are looked up by user.
create index mail_due on mail (due) where due is not null;
create index mail_state on mail (state, mail_id);
create index mail_user on mail (user_id);
create index mail_changed on mail (changed_at) where state in ('sent', 'unaddressed', 'erased');

comment on column mail.mail_id is 'the id of the event that led to it; its Message-ID is made of it';
comment on column mail.state is 'unaddressed: no address of the user is known, and it is sent if one comes; failed: an operator may have it sent again';
comment on column mail.email is 'whom it is for; gone once it is sent or its user is erased';
comment on column mail.content is 'what the templates need; goes with the address';
comment on column mail.problem is 'why the last try came to nothing, without the address';
comment on column mail.tries is 'how often a worker has taken the mail; an outcome counts only in the try that it came in';
comment on column mail.refusals is 'how often the server has refused it for now';
comment on column mail.due is 'when a worker may take the mail: where one has it, when its lease ends';

grant select, insert, update, delete on mail, addressee to notifier_app;
grant select, insert, update, delete on inbox, inbox_waiting to notifier_app;
grant select, insert, update on inbox_version to notifier_app;
-- Readiness asks whether every migration was applied.
grant select on _sqlx_migrations to notifier_app;
