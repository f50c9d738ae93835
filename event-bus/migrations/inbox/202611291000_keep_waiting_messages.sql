-- An event that waits may be rejected at a later try, and is then dead-lettered as the message that it came in: with all
-- of its headers and properties, and its body to the byte. Null in rows of a program that does not know these columns yet.

alter table inbox_waiting
    -- As AMQP encodes them.
    add column properties bytea,
    add column body       bytea;
