-- The lists of products that buyers keep. Products are named by their ids alone: one that the catalog does not sell any
-- more may stay on a list.
create table list (
    list_id     uuid        not null,
    buyer_id    text        not null,
    name        text        not null,
    is_public   boolean     not null default false,
    product_ids bigint[]    not null default '{}',
    -- Rises with every change; it is the list's ETag.
    version     bigint      not null default 1,
    created_at  timestamptz not null default now(),

    constraint list_pkey primary key (list_id),
    constraint list_buyer_id_length check (char_length(buyer_id) between 1 and 64),
    constraint list_name_length check (char_length(name) between 1 and 100),
    constraint list_products_at_most_500 check (cardinality(product_ids) <= 500)
);

create index list_buyer_id_idx on list (buyer_id, created_at, list_id);

-- The lists that everybody may see: what the public index knows of them, and not whose they are. It is written where
-- domain events of lists are heard, and nowhere else.
create table public_list (
    list_id      uuid        not null,
    name         text        not null,
    product_ids  bigint[]    not null,
    version      bigint      not null,
    published_at timestamptz not null default now(),

    constraint public_list_pkey primary key (list_id)
);

create index public_list_published_at_idx on public_list (published_at, list_id);

grant select, insert, update, delete on list, public_list to basket_app;

-- A buyer who is gone leaves nothing behind. The service may delete one buyer's cart and alerts by this, and no others.
create function erase_cart(gone text) returns void
    language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
    -- Whoever puts something in holds the cart's row: afterwards there is none to put it into.
    select from public.cart where buyer_id = gone for update;
    delete from public.cart_line where buyer_id = gone;
    delete from public.alert where buyer_id = gone;
    delete from public.cart where buyer_id = gone;
end;

revoke all on function erase_cart(text) from public;
grant execute on function erase_cart(text) to basket_app;
