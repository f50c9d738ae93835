-- The stock of orders. Of each product there is what is available, what is reserved for orders that are not paid yet, and
-- what was sold: together they are what there was.

alter table product
    add column reserved_stock integer not null default 0,
    add constraint product_reserved_stock_not_negative check (reserved_stock >= 0);

comment on column product.reserved_stock is 'pieces reserved for orders; not part of available_stock';

-- One row for each order that asked for stock, or gave it back before it was asked for. It is locked before the products,
-- and those in the order of their ids.
create table reservation (
    order_id   uuid        constraint reservation_pkey primary key,
    state      text        not null,
    created_at timestamptz not null default clock_timestamp(),
    changed_at timestamptz not null default clock_timestamp(),
    constraint reservation_state_known check (state in ('reserved', 'rejected', 'released', 'sold'))
);

-- What was reserved. The lines stay when it is released or sold. No reference to product: one may leave the catalog.
create table reservation_line (
    order_id   uuid    not null constraint reservation_line_order_id_fkey references reservation,
    product_id bigint  not null,
    quantity   integer not null,
    constraint reservation_line_pkey primary key (order_id, product_id),
    constraint reservation_line_quantity_positive check (quantity > 0)
);

grant select, insert, update on reservation to catalog_app;
grant select, insert on reservation_line to catalog_app;

-- The catalog has an inbox now; `migrate` grants the same.
grant select, insert, update, delete on inbox, inbox_waiting to catalog_app;
grant select, insert, update on inbox_version to catalog_app;
