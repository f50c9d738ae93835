-- An operator may give up a mail that has failed. Like one that is sent, it keeps neither its address nor its words.
alter table mail
    add column discarded_by   text,
    add column discard_reason text,
    drop constraint mail_state_check,
    add constraint mail_state_check check (state in
        ('waiting', 'sent', 'failed', 'discarded', 'unaddressed', 'erased')),
    drop constraint nothing_personal_is_kept,
    add constraint nothing_personal_is_kept check (
        state not in ('sent', 'discarded', 'erased') or (email is null and content is null)),
    add constraint what_is_discarded_has_a_reason check (
        state <> 'discarded' or (discarded_by is not null and discard_reason is not null));

-- What has failed, or was discarded, is forgotten after its time too.
drop index mail_changed;
create index mail_changed on mail (changed_at) where state <> 'waiting';

comment on column mail.state is 'unaddressed: no address of the user is known, and it is sent if one comes; failed: an operator may have it sent again, or discard it';
comment on column mail.discarded_by is 'the operator who has discarded it';
comment on column mail.discard_reason is 'why it was discarded; goes when its user is erased';
