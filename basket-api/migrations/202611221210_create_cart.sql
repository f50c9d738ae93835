-- A buyer's cart, and what lies in it.
--
-- Lock order, everywhere in this service: product rows by product_id, then cart rows by buyer_id, then
-- lines, then alerts. Whoever puts a product into a cart holds that product's row `for share` first, so
-- a price change either is read by them or finds their line.
create table cart (
    buyer_id   text        not null,
    -- Rises with everything that changes what the buyer sees; it is the basket's ETag. Never starts again,
    -- so the row outlives an emptied cart.
    version    bigint      not null default 0,
    updated_at timestamptz not null default now(),

    constraint cart_pkey primary key (buyer_id),
    constraint cart_buyer_id_length check (char_length(buyer_id) between 1 and 64),
    constraint cart_version_not_negative check (version >= 0)
)
with (fillfactor = 70);

comment on column cart.version is 'rises with every change of what the buyer sees; the ETag';

create table cart_line (
    buyer_id       text           not null,
    product_id     bigint         not null,
    quantity       smallint       not null,
    unit_price     numeric(12, 2) not null,
    accepted_price numeric(12, 2) not null,
    added_at       timestamptz    not null default now(),

    constraint cart_line_pkey primary key (buyer_id, product_id),
    constraint cart_line_buyer_id_fkey foreign key (buyer_id) references cart (buyer_id),
    constraint cart_line_product_id_fkey foreign key (product_id) references product (product_id),
    constraint cart_line_quantity_in_range check (quantity between 1 and 99),
    constraint cart_line_unit_price_positive check (unit_price > 0),
    constraint cart_line_accepted_price_positive check (accepted_price > 0)
)
with (fillfactor = 70);

-- The way from a changed product to the carts that hold it, and to no other.
create index cart_line_product_id_idx on cart_line (product_id, buyer_id);

comment on column cart_line.unit_price is 'the product''s present price; always equal to product.price';
comment on column cart_line.accepted_price is 'the price at which the buyer added the product, or which they acknowledged last';
