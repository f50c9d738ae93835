-- Whether a worker has the mail right now could not be told from `due` alone: an operator who had such a mail sent again
-- had it sent twice.
alter table mail add column leased_until timestamptz;

comment on column mail.leased_until is 'when the lease of the worker that has the mail ends; null: no worker has it';
