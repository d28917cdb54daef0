-- The audit of what was decided on each bar, and why.
kept as (
    insert into decisions (
        session_id, bar_opened_at, digest, action, reason, reason_code, bar_digest, order_ids,
        incarnation)
    select
        session_id, bar_opened_at, digest, action, reason, reason_code, bar_digest,
        string_to_array(order_ids, ' '), fence_incarnation
    from judged where refused = '' order by i
    on conflict do nothing
)
select refused from judged order by i
