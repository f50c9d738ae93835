-- The prices that products changed to. The rights on the inbox come with the inbox.
create table noted_price (
    noted_price_id bigint generated always as identity primary key,
    product_id     bigint not null,
    price          numeric not null,
    noted_at       timestamptz not null default now()
);

grant select, insert on noted_price to example_app;
