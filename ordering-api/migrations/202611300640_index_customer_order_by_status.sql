-- The merchants' list of the orders that stand somewhere, newest first, and how many they are.
create index customer_order_by_status on customer_order (status, placed_at desc, order_id desc);
