-- Versions can be compared within one source only. Changes of another source are taken as they come.
alter table product
    add column details_source text not null default '/catalog',
    add column price_source   text not null default '/catalog';
