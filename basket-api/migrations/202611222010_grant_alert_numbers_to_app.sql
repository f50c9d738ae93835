-- How many alerts there ever were, for operators, without counting them.
grant select on sequence alert_alert_id_seq to basket_app;
