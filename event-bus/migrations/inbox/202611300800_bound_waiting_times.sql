-- A time that no calendar has, such as 'infinity', cannot be computed with, and would stop the tries of all other keys.
update inbox_waiting
   set next_attempt_at = clock_timestamp()
 where not (next_attempt_at >= '0001-01-01 00:00:00+00' and next_attempt_at < '10000-01-01 00:00:00+00');

update inbox_waiting
   set occurred_at = clock_timestamp()
 where not (occurred_at >= '0001-01-01 00:00:00+00' and occurred_at < '10000-01-01 00:00:00+00');

alter table inbox_waiting
    add constraint inbox_waiting_next_attempt_at check (
        next_attempt_at >= '0001-01-01 00:00:00+00' and next_attempt_at < '10000-01-01 00:00:00+00'),
    add constraint inbox_waiting_occurred_at check (
        occurred_at >= '0001-01-01 00:00:00+00' and occurred_at < '10000-01-01 00:00:00+00');
