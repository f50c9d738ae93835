-- Whoever traces an event or audits the logs asks which events this service has had. The role sees that, and
-- nothing of carts, buyers or products.
grant select on inbox, inbox_version to basket_inbox_reader;
