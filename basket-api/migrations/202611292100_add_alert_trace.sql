-- The step that raised an alert, where its trace is recorded: the stream goes on from it.
alter table alert add column traceparent text;
