-- How orders fare: one event row each, and the order's row moves to its newest. Entries that are
-- the end of the order's history already (the same batch once more) are passed over.
locked as materialized (
    select id, event_count from orders
    where id in (select order_id from judged where refused = '') for no key update
), placed as materialized (
    select j.*, row_number() over (partition by order_id order by i) as place
    from judged j where refused = ''
), batch as (
    select order_id, array_agg(digest order by place) as digests, count(*)::integer as length
    from placed group by order_id
), known as (
    select l.id, l.event_count, coalesce((
        select max(j) from generate_series(1, b.length) j
        where b.digests[:j] = (
            select array_agg(e.digest order by e.n) from order_events e
            where e.order_id = l.id and e.n > l.event_count - j)
    ), 0) as passed
    from batch b join locked l on l.id = b.order_id
), fresh as materialized (
    select p.*, k.event_count + (p.place - k.passed)::integer as n
    from placed p join known k on k.id = p.order_id
    where p.place > k.passed
), told as (
    insert into order_events (
        order_id, n, event, status, broker_order_id, cum_qty, avg_px, reason_code, detail,
        happened_at, digest, epoch, incarnation)
    select
        order_id, n, event, status, broker_order_id, cum_qty, avg_px, reason_code, detail,
        happened_at, digest, fence_epoch, fence_incarnation
    from fresh
), moved as (
    update orders o set
        status = f.status, cum_qty = f.cum_qty, avg_px = f.avg_px, reason_code = f.reason_code,
        broker_order_id = coalesce(f.broker_order_id, o.broker_order_id), detail = f.detail,
        event_count = f.n, updated_at = now()
    from (select distinct on (order_id) * from fresh order by order_id, n desc) f
    where o.id = f.order_id
)
select case when j.refused = '' and l.id is null then 'unknown_order' else j.refused end as refused
from judged j left join locked l on l.id = j.order_id
order by j.i
