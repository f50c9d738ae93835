-- The order in which a worker takes what is due: what the provider has not answered in three tries comes last (work.rs).
create index payment_turn on payment ((tries > 2), due) where due is not null;
