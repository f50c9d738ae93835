-- A buyer's price alerts of a day are a mail too.
alter table mail
    drop constraint mail_kind_check,
    add constraint mail_kind_check check (kind in
        ('welcome', 'address_taken', 'order_paid', 'order_cancelled', 'order_shipped', 'price_digest'));
