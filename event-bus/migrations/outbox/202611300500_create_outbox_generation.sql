-- When each generation of the log began. A replayed event carries the generation that it was published in: that of today
-- would have it replace what is newer at a subscriber whose inbox has forgotten it.

create table outbox_generation (
    generation bigint      constraint outbox_generation_pkey primary key,
    since      timestamptz not null
);

-- Earlier ones are not known: what was published before counts as of the first.
insert into outbox_generation (generation, since) select generation, since from outbox_log;

-- With the rights of its owner, so that relays of older releases keep the history too.
create function outbox_log_keep_generation() returns trigger language plpgsql
security definer set search_path = pg_catalog, pg_temp as $$
begin
    execute format('insert into %I.outbox_generation (generation, since) values ($1, $2) on conflict do nothing', tg_table_schema)
      using new.generation, new.since;
    return null;
end
$$;

create trigger outbox_log_keep_generation after update of generation on outbox_log
    for each row when (old.generation <> new.generation) execute function outbox_log_keep_generation();
