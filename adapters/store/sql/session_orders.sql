-- What a trader is rebuilt from: its orders that are not over, and all of the last day.
select
    o.*,
    coalesce((select sum(f.qty) from fills f where f.order_id = o.id), 0) as applied_qty,
    exists (
        select from changes c
        where c.target = o.id and c.kind = 'CANCEL' and not exists (
            select from order_events e
            where e.order_id = o.id and e.n > c.after_n and e.status <> 'PENDING_CANCEL')
    ) as pending_cancel
from orders o
where o.session_id = $1 and (
    o.status not in ('FILLED', 'CANCELED', 'EXPIRED', 'REJECTED', 'DENIED')
    or o.recorded_at > now() - interval '24 hours')
order by o.seq
