-- The prices that products changed to.
create table noted_price (
    noted_price_id bigint generated always as identity primary key,
    product_id     bigint not null,
    price          numeric not null,
    noted_at       timestamptz not null default now()
);

grant select, insert on noted_price to example_app;
grant select, insert, update, delete on inbox to example_app;
grant select, insert, update on inbox_version to example_app;
grant select on _sqlx_migrations to example_app;
grant select on inbox, inbox_version to example_inbox_reader;
