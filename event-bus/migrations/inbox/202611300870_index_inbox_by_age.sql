-- Retention deletes by age. Not by brin: places of deleted rows are used again, so that after some weeks nearly every range of the
-- table has an old row and a new one, and each round read all of it.
create index inbox_by_age on inbox (received_at);
drop index inbox_received_at;
