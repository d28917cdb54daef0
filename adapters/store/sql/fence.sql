-- given -> judged: the same rows with `refused`, which is '' or why the row takes no effect.
-- The lease and the session are locked against a takeover or a restart until this commits, so
-- whoever takes over waits for it, and sees it. An account's own rows name no session.
held as materialized (
    select account_id, epoch from leases
    where account_id in (select fence_account from given) for key share
), living as materialized (
    select id, incarnation from sessions
    where id in (select fence_session from given) for key share
), judged as materialized (
    select g.*, case
        when not g.is_fenced then ''  -- spooled while the database was down: insert-only
        when h.epoch is distinct from g.fence_epoch then 'fenced_epoch'
        when g.fence_session <> '' and l.incarnation is distinct from g.fence_incarnation
            then 'fenced_incarnation'
        else '' end as refused
    from given g
    left join held h on h.account_id = g.fence_account
    left join living l on l.id = g.fence_session
),
