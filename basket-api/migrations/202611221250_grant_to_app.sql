-- The service's own role reads and writes rows and can do nothing else: no DDL, no truncate. The
-- database and its roles are made by deploy/postgres/provision.sql.
grant select, insert, update on product to basket_app;
grant select, insert, update on cart to basket_app;
grant select, insert, update, delete on cart_line to basket_app;
grant select, insert, update on alert to basket_app;
grant select, insert, update, delete on inbox to basket_app;
grant select, insert, update on inbox_version to basket_app;
-- To say whether it is ready, the service asks which migrations there have been.
grant select on _sqlx_migrations to basket_app;
