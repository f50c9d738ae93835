-- What no number and no calendar has, such as 'NaN' or 'infinity', cannot be read: neither this row, nor those that are
-- read together with it. What is there already is left as it is.
alter table payment
    add constraint payment_amount_is_a_number check (amount < 'NaN') not valid,
    add constraint payment_charged_amount_is_a_number check (charged_amount < 'Infinity') not valid,
    add constraint payment_due check (
        due >= '0001-01-01 00:00:00+00' and due < '10000-01-01 00:00:00+00') not valid;
