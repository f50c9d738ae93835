-- The list of reservations, newest first: all of them, and those in one state.
create index reservation_by_time on reservation (created_at desc, order_id desc);
create index reservation_by_state on reservation (state, created_at desc, order_id desc);
