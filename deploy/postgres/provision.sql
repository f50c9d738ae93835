-- Creates the suite's databases and roles, or brings existing ones to this state.
--
-- Run with psql as a superuser, as often as you like: `cargo shop up`, `cargo shop test` and
-- docker-compose.yml all run this. Passwords come from the environment, so that they are seen
-- neither in the process list nor in a file: of each role in <ROLE>_PASSWORD. Written by
-- `cargo shop generate` from services.toml.
--
-- A service owns one database. Its `owner` runs migrations, its `app` serves requests, and the
-- relay reads and marks the event log. A subscriber's `inbox_reader` sees which events it has had, for the
-- operator's `show` and `audit`. What any of them may do with a table is granted by migrations.

\set ON_ERROR_STOP on
\set QUIET on

\getenv catalog_owner_password CATALOG_OWNER_PASSWORD
\getenv catalog_app_password CATALOG_APP_PASSWORD
\getenv catalog_relay_password CATALOG_RELAY_PASSWORD
\getenv catalog_inbox_reader_password CATALOG_INBOX_READER_PASSWORD
\getenv basket_owner_password BASKET_OWNER_PASSWORD
\getenv basket_app_password BASKET_APP_PASSWORD
\getenv basket_relay_password BASKET_RELAY_PASSWORD
\getenv basket_inbox_reader_password BASKET_INBOX_READER_PASSWORD
\getenv ordering_owner_password ORDERING_OWNER_PASSWORD
\getenv ordering_app_password ORDERING_APP_PASSWORD
\getenv ordering_relay_password ORDERING_RELAY_PASSWORD
\getenv ordering_inbox_reader_password ORDERING_INBOX_READER_PASSWORD
\getenv payment_owner_password PAYMENT_OWNER_PASSWORD
\getenv payment_app_password PAYMENT_APP_PASSWORD
\getenv payment_relay_password PAYMENT_RELAY_PASSWORD
\getenv payment_inbox_reader_password PAYMENT_INBOX_READER_PASSWORD
\getenv accounts_owner_password ACCOUNTS_OWNER_PASSWORD
\getenv accounts_app_password ACCOUNTS_APP_PASSWORD
\getenv accounts_relay_password ACCOUNTS_RELAY_PASSWORD
\getenv accounts_inbox_reader_password ACCOUNTS_INBOX_READER_PASSWORD
\getenv notifier_owner_password NOTIFIER_OWNER_PASSWORD
\getenv notifier_app_password NOTIFIER_APP_PASSWORD
\getenv notifier_inbox_reader_password NOTIFIER_INBOX_READER_PASSWORD

set client_min_messages = warning;

-- Roles are shared by the whole server: two runs at once wait for each other.
do $$ begin perform pg_advisory_lock(hashtext('shop.provision')); end $$;

select format('create role %I', name)
from unnest(array['catalog_owner', 'catalog_app', 'catalog_relay', 'catalog_inbox_reader', 'basket_owner', 'basket_app', 'basket_relay', 'basket_inbox_reader', 'ordering_owner', 'ordering_app', 'ordering_relay', 'ordering_inbox_reader', 'payment_owner', 'payment_app', 'payment_relay', 'payment_inbox_reader', 'accounts_owner', 'accounts_app', 'accounts_relay', 'accounts_inbox_reader', 'notifier_owner', 'notifier_app', 'notifier_inbox_reader']) as role(name)
where not exists (select from pg_catalog.pg_roles where rolname = name)
\gexec

alter role catalog_owner login nosuperuser nocreatedb nocreaterole password :'catalog_owner_password';
alter role catalog_app login nosuperuser nocreatedb nocreaterole password :'catalog_app_password';
alter role catalog_relay login nosuperuser nocreatedb nocreaterole password :'catalog_relay_password';
alter role catalog_inbox_reader login nosuperuser nocreatedb nocreaterole password :'catalog_inbox_reader_password';
alter role basket_owner login nosuperuser nocreatedb nocreaterole password :'basket_owner_password';
alter role basket_app login nosuperuser nocreatedb nocreaterole password :'basket_app_password';
alter role basket_relay login nosuperuser nocreatedb nocreaterole password :'basket_relay_password';
alter role basket_inbox_reader login nosuperuser nocreatedb nocreaterole password :'basket_inbox_reader_password';
alter role ordering_owner login nosuperuser nocreatedb nocreaterole password :'ordering_owner_password';
alter role ordering_app login nosuperuser nocreatedb nocreaterole password :'ordering_app_password';
alter role ordering_relay login nosuperuser nocreatedb nocreaterole password :'ordering_relay_password';
alter role ordering_inbox_reader login nosuperuser nocreatedb nocreaterole password :'ordering_inbox_reader_password';
alter role payment_owner login nosuperuser nocreatedb nocreaterole password :'payment_owner_password';
alter role payment_app login nosuperuser nocreatedb nocreaterole password :'payment_app_password';
alter role payment_relay login nosuperuser nocreatedb nocreaterole password :'payment_relay_password';
alter role payment_inbox_reader login nosuperuser nocreatedb nocreaterole password :'payment_inbox_reader_password';
alter role accounts_owner login nosuperuser nocreatedb nocreaterole password :'accounts_owner_password';
alter role accounts_app login nosuperuser nocreatedb nocreaterole password :'accounts_app_password';
alter role accounts_relay login nosuperuser nocreatedb nocreaterole password :'accounts_relay_password';
alter role accounts_inbox_reader login nosuperuser nocreatedb nocreaterole password :'accounts_inbox_reader_password';
alter role notifier_owner login nosuperuser nocreatedb nocreaterole password :'notifier_owner_password';
alter role notifier_app login nosuperuser nocreatedb nocreaterole password :'notifier_app_password';
alter role notifier_inbox_reader login nosuperuser nocreatedb nocreaterole password :'notifier_inbox_reader_password';

-- Nothing that serves traffic may wait for ever: not for a slow statement, not for a lock, and not
-- inside a transaction that its client has forgotten. Owners are free of this: a migration may take long.
select format('alter role %I set %s = %L', role, setting, value)
from unnest(array['catalog_app', 'catalog_relay', 'catalog_inbox_reader', 'basket_app', 'basket_relay', 'basket_inbox_reader', 'ordering_app', 'ordering_relay', 'ordering_inbox_reader', 'payment_app', 'payment_relay', 'payment_inbox_reader', 'accounts_app', 'accounts_relay', 'accounts_inbox_reader', 'notifier_app', 'notifier_inbox_reader']) as role,
     (values ('statement_timeout', '5s'),
             ('lock_timeout', '2s'),
             ('idle_in_transaction_session_timeout', '10s')) as limits(setting, value)
\gexec

-- C.UTF-8 sorts by code point, the same on every machine and after every upgrade of its C library.
select format('create database %I owner %I encoding ''UTF8'' locale ''C.UTF-8'' template template0', name, name || '_owner')
from unnest(array['catalog', 'basket', 'ordering', 'payment', 'accounts', 'notifier']) as database(name)
where not exists (select from pg_catalog.pg_database where datname = name)
\gexec

revoke all on database catalog, basket, ordering, payment, accounts, notifier from public;
grant connect on database catalog to catalog_app, catalog_relay, catalog_inbox_reader;
grant connect on database basket to basket_app, basket_relay, basket_inbox_reader;
grant connect on database ordering to ordering_app, ordering_relay, ordering_inbox_reader;
grant connect on database payment to payment_app, payment_relay, payment_inbox_reader;
grant connect on database accounts to accounts_app, accounts_relay, accounts_inbox_reader;
grant connect on database notifier to notifier_app, notifier_inbox_reader;

-- PostgreSQL 14 still lets everybody create tables in `public`; 15 and later do not.
\connect catalog
revoke create on schema public from public;
grant create on schema public to catalog_owner;
\connect basket
revoke create on schema public from public;
grant create on schema public to basket_owner;
\connect ordering
revoke create on schema public from public;
grant create on schema public to ordering_owner;
\connect payment
revoke create on schema public from public;
grant create on schema public to payment_owner;
\connect accounts
revoke create on schema public from public;
grant create on schema public to accounts_owner;
\connect notifier
revoke create on schema public from public;
grant create on schema public to notifier_owner;
