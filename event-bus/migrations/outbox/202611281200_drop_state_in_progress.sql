-- No relay ever wrote the state InProgress: the owner of a partition knows what is in flight. Pending events are now
-- exactly those in state NotPublished, and the index that relays read says so.

update integration_event_log set state = 'NotPublished' where state = 'InProgress';

alter table integration_event_log
    drop constraint integration_event_log_state,
    add constraint integration_event_log_state check (state in ('NotPublished', 'Published', 'PublishedFailed'));

drop index integration_event_log_pending;
create index integration_event_log_pending on integration_event_log (position, partition, key)
    where state = 'NotPublished';
