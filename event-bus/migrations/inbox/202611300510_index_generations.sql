-- What a producer answers to a request names no generation: the newest that is known of its log is looked up.
create index inbox_version_generation on inbox_version (consumer, source, generation);
