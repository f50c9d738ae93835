-- A row whose key is mended by hand goes to the partition of its new key: two relays must not have events of one key.
create trigger integration_event_log_complete_mended before update of key, partition on integration_event_log
    for each row execute function integration_event_log_complete();
