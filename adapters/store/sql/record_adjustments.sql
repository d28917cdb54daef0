-- The broker won: positions are assigned, each finding once.
kept as (
    insert into adjustments (
        key, session_id, account_id, instrument, from_qty, to_qty, to_avg_px, cause, detail,
        happened_at)
    select
        key, session_id, account_id, instrument, from_qty, to_qty, to_avg_px, cause, detail,
        happened_at
    from judged where refused = '' order by i
    on conflict (key) do nothing
    returning key
), fresh as materialized (
    select j.* from judged j join kept k using (key)
), moved as (
    insert into positions (session_id, account_id, instrument, qty, avg_px, source)
    select distinct on (session_id)
        session_id, account_id, instrument, to_qty, to_avg_px, 'ADJUSTMENT'
    from fresh order by session_id, i desc
    on conflict (session_id) do update set
        account_id = excluded.account_id, instrument = excluded.instrument, qty = excluded.qty,
        avg_px = excluded.avg_px, source = excluded.source, updated_at = now()
)
select refused from judged order by i
