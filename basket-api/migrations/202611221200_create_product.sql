-- What this service knows of the catalog's products. It is a projection: fed by the catalog's events
-- and, for a product that no event has told of yet, by asking the catalog once.
--
-- Events of different types may arrive in another order than they happened (one waits in a retry queue
-- while the next is applied). So each group of columns carries the version of the product it was told
-- at, is only ever replaced by a later one, and may still be unknown (null, version 0).
create table product (
    product_id      bigint  not null,
    name            text,
    picture_url     text,
    details_version bigint  not null default 0,
    price           numeric(12, 2),
    currency        text,
    price_version   bigint  not null default 0,
    -- A removed product never comes back: its row stays, so that a late event cannot revive it.
    available       boolean not null default true,

    constraint product_pkey primary key (product_id),
    constraint product_product_id_positive check (product_id > 0),
    constraint product_details_known_together
        check ((details_version > 0) = (name is not null) and (name is null) = (picture_url is null)),
    constraint product_price_known_together
        check ((price_version > 0) = (price is not null) and (price is null) = (currency is null)),
    constraint product_versions_not_negative check (details_version >= 0 and price_version >= 0),
    constraint product_price_positive check (price > 0),
    constraint product_currency_is_euro check (currency = 'EUR')
)
-- A price change rewrites the row; room on the page keeps that from touching the index.
with (fillfactor = 70);

comment on table product is 'projection of the catalog''s products; written by subscriptions and by the look-up of an unknown product';
comment on column product.details_version is 'product version that name and picture_url come from; 0 = not told yet';
comment on column product.price_version is 'product version that price and currency come from; 0 = not told yet';
comment on column product.available is 'false = removed from the catalog, for good';
