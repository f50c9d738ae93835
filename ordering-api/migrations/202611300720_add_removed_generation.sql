-- A restored catalog may sell again what was removed after the backup: what is told in a later generation of the catalog's log
-- makes a product available. The default is that of removals by an older release, which does not say.
alter table product add column removed_generation bigint not null default 1;

update product set removed_generation = greatest(details_generation, price_generation) where not available;

comment on column product.removed_generation is 'the generation of the catalog''s log in which it was removed; means nothing while it is available';
