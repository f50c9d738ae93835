-- 'NaN' is above every number, so other conditions let it in; no page with it could be read. What is there already is left
-- as it is.
alter table product add constraint product_price_is_a_number check (price < 'NaN') not valid;
