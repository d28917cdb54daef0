-- Orders, each with its first event. A row that stands already is left as it is.
kept as (
    insert into orders (
        id, session_id, account_id, instrument, side, type, tif, qty, purpose, reason, cause_kind,
        cause_key, incarnation, price, stop_price, protective_stop, replaces, decided_at, status)
    select
        id, session_id, account_id, instrument, side, type, tif, qty, purpose, reason, cause_kind,
        cause_key, incarnation, price, stop_price, protective_stop, replaces, decided_at,
        'INITIALIZED'
    from judged where refused = '' order by i
    on conflict (id) do nothing
    returning id, recorded_at
), told as (
    insert into order_events (order_id, n, event, status, digest, epoch, incarnation)
    select distinct on (k.id)  -- an id may stand twice in a batch
        k.id, 1, 'order_recorded', 'INITIALIZED', j.digest, j.fence_epoch, j.fence_incarnation
    from kept k join judged j using (id)
)
select j.refused, k.recorded_at from judged j left join kept k using (id) order by j.i
