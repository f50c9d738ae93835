-- Lists show the newest first.
create index mail_by_age on mail (created_at, mail_id);
create index mail_by_state_and_age on mail (state, created_at, mail_id);
drop index mail_state;
