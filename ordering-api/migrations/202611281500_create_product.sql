-- What this service knows of the catalog's products, from its events alone. Events of different types may arrive in
-- another order than they happened: each group of columns carries the generation and the version that it was told at,
-- is only ever replaced by a later one, and may still be unknown (null, version 0).
create table product (
    product_id         bigint  not null,
    name               text,
    picture_url        text,
    details_generation bigint  not null default 1,
    details_version    bigint  not null default 0,
    price              numeric(12, 2),
    price_generation   bigint  not null default 1,
    price_version      bigint  not null default 0,
    -- A removed product never comes back: its row stays, so that a late event cannot revive it.
    available          boolean not null default true,

    constraint product_pkey primary key (product_id),
    constraint product_product_id_positive check (product_id > 0),
    constraint product_price_positive check (price > 0)
)
with (fillfactor = 70);

comment on table product is 'projection of the catalog''s products, in euro; written by subscriptions';

grant select, insert, update on product to ordering_app;
