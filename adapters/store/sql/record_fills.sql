-- Executions, once each, and the position after the last of them that is new.
kept as (
    insert into fills (
        account_id, execution_id, session_id, order_id, client_order_id, broker_order_id,
        instrument, side, qty, price, cum_qty, fee, happened_at, seen_at, position_qty,
        position_avg_px, realized)
    select
        account_id, execution_id, session_id, order_id, client_order_id, broker_order_id,
        instrument, side, qty, price, cum_qty, fee, happened_at, seen_at, position_qty,
        position_avg_px, realized
    from judged where refused = '' order by i
    on conflict (account_id, execution_id) do nothing
    returning account_id, execution_id
), fresh as materialized (
    select j.* from judged j join kept k using (account_id, execution_id)
), moved as (
    insert into positions (session_id, account_id, instrument, qty, avg_px, realized, source)
    select distinct on (session_id)
        session_id, account_id, instrument, position_qty, position_avg_px, realized, 'FILL'
    from fresh order by session_id, i desc
    on conflict (session_id) do update set
        account_id = excluded.account_id, instrument = excluded.instrument, qty = excluded.qty,
        avg_px = excluded.avg_px, realized = excluded.realized, source = excluded.source,
        updated_at = now()
)
select j.refused, f.i is not null as is_new
from judged j left join fresh f on f.i = j.i
order by j.i
