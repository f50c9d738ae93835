-- Versions count within a generation of the catalog's log: a restored catalog begins a new one.
alter table product
    add column details_generation bigint not null default 1,
    add column price_generation   bigint not null default 1;

-- A price change may be handled late, after newer ones. A line is not alerted of changes that are older than
-- the price at which it was put in.
alter table cart_line
    add column added_generation bigint not null default 1,
    add column added_version    bigint not null default 0;

comment on column cart_line.added_version is 'the product''s price_version when the line was put in: older changes do not alert it';

-- Events that wait for another try are the consumer's, as its inbox is.
grant select, insert, update, delete on inbox_waiting to basket_app;
grant select on inbox_waiting to basket_inbox_reader;
