-- One row for each order that was to be paid: what is known of its payment, and the work that is left to do.
create table payment (
    payment_id       uuid primary key,
    order_id         text not null unique check (length(order_id) between 1 and 100),
    amount           numeric(12, 2) not null check (amount > 0),
    currency         text not null check (length(currency) = 3),
    token            text,
    state            text not null check (state in
                         ('requested', 'succeeded', 'failed', 'cancelled', 'refunding', 'refunded', 'held')),
    cancelled_at     timestamptz,
    charge_id        text,
    charged_amount   numeric,
    charged_currency text,
    reason           text,
    problem          text,
    tries            integer not null default 0,
    wrong_answers    integer not null default 0,
    due              timestamptz,
    asked_since      timestamptz,
    version          bigint not null default 0,
    trace            text not null,
    created_at       timestamptz not null default now(),
    changed_at       timestamptz not null default now(),
    constraint work_is_due check ((due is not null) = (state in ('requested', 'refunding'))),
    constraint a_request_has_a_token check (state <> 'requested' or token is not null),
    constraint a_refund_has_a_charge check (state not in ('succeeded', 'refunding', 'refunded') or charge_id is not null)
);

-- The worker looks for what is due; operators look at states.
create index payment_due on payment (due) where due is not null;
create index payment_state on payment (state, payment_id);

comment on column payment.payment_id is 'the provider''s idempotency key for the charge';
comment on column payment.token is 'what the buyer pays with, as the provider knows it; gone once nothing will be charged any more';
comment on column payment.cancelled_at is 'since when the order is cancelled: what is charged all the same is refunded';
comment on column payment.charged_amount is 'what the provider says it has charged';
comment on column payment.problem is 'why the last answer of the provider tells no outcome';
comment on column payment.tries is 'how often a worker has taken the payment; an outcome counts only in the try that it came in';
comment on column payment.due is 'when a worker may take the payment: where one has it, when its lease ends';
comment on column payment.asked_since is 'since when the outcome is sought';
comment on column payment.version is 'the number of events about the payment';

grant select, insert, update on payment to payment_app;
-- The service announces without being able to change or read what it has announced; operators ask it how much waits.
grant insert on integration_event_log to payment_app;
grant select (position, state, created_at, skipped_at) on integration_event_log to payment_app;
grant select (alive_until) on outbox_relay to payment_app;
grant select, insert, update, delete on inbox, inbox_waiting to payment_app;
grant select, insert, update on inbox_version to payment_app;
-- Readiness asks whether every migration was applied.
grant select on _sqlx_migrations to payment_app;
