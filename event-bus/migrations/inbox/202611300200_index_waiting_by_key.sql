-- Where only the newest event of a key counts: is an earlier one of its key waiting?

-- It takes the place of inbox_waiting_newest, whose columns it begins with.
create index inbox_waiting_newest_of_key on inbox_waiting (consumer, event_type, source, key) where not holds_key;

drop index inbox_waiting_newest;
