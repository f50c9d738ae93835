-- Versions can be compared within one source only. What another source tells is taken as it comes.
alter table product
    add column details_source text not null default '/catalog',
    add column price_source   text not null default '/catalog';

alter table cart_line
    add column added_source text not null default '/catalog';
