-- What a trader is rebuilt from: its orders that are not over, and all of the last day. Of the
-- position are the orders that have filled, and the stops made, after the last move that left
-- nothing held, or the other side.
with flat as (
    select coalesce(max(seq), 0) as seq, coalesce(max(recorded_at), '-infinity') as recorded_at
    from (
        (select f.seq, f.recorded_at
        from fills f join positions p on p.session_id = f.session_id
        where f.session_id = $1 and sign(f.position_qty) <> sign(p.qty)
        order by f.seq desc limit 1)
        union all
        (select a.seq, a.recorded_at
        from adjustments a join positions p on p.session_id = a.session_id
        where a.session_id = $1 and sign(a.to_qty) <> sign(p.qty)
        order by a.seq desc limit 1)
    ) moves
)
select
    o.*,
    coalesce((select sum(f.qty) from fills f where f.order_id = o.id), 0) as applied_qty,
    exists (
        select from changes c
        where c.target = o.id and c.kind = 'CANCEL' and not exists (
            select from order_events e
            where e.order_id = o.id and e.n > c.after_n and e.status <> 'PENDING_CANCEL')
    ) as pending_cancel,
    exists (select from fills f where f.order_id = o.id and f.seq > flat.seq)
        or o.purpose = 'PROTECT' and o.recorded_at > flat.recorded_at as is_of_position
from orders o cross join flat
where o.session_id = $1 and (
    o.status not in ('FILLED', 'CANCELED', 'EXPIRED', 'REJECTED', 'DENIED')
    or o.recorded_at > now() - interval '24 hours')
order by o.seq
