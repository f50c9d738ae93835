-- A time that no calendar has, such as 'infinity', cannot be read. What is there already is left as it is.
alter table mail
    add constraint mail_due check (due >= '0001-01-01 00:00:00+00' and due < '10000-01-01 00:00:00+00') not valid;
