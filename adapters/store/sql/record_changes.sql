-- Requests to replace or cancel, and how far their target had come when they were made.
kept as (
    insert into changes (
        id, kind, session_id, account_id, instrument, target, target_broker_id, reason,
        incarnation, after_n)
    select
        j.id, j.kind, j.session_id, j.account_id, j.instrument, j.target, j.target_broker_id,
        j.reason, j.incarnation, coalesce(o.event_count, 0)
    from judged j left join orders o on o.id = j.target
    where j.refused = '' order by j.i
    on conflict (id) do nothing
    returning id, recorded_at
)
select j.refused, k.recorded_at from judged j left join kept k using (id) order by j.i
