-- Lists show the newest first. The id of a payment follows from its order and says nothing of its age.
create index payment_by_age on payment (created_at, payment_id);
create index payment_by_state_and_age on payment (state, created_at, payment_id);
drop index payment_state;
