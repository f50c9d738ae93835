-- An order may cost more than a payment could: as many digits as ordering's total has. The table is not rewritten.
alter table payment alter column amount type numeric(14, 2);
