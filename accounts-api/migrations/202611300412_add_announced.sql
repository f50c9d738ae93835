-- Only the first of an hour's rejected registrations is announced. When a row goes, others are told to forget it if they
-- have heard of it; of older rows that is not known, and they are taken for announced: to forget nothing does no harm.
alter table app_user add column announced boolean not null default true;

comment on column app_user.announced is 'whether others have heard of this user or rejected registration';
