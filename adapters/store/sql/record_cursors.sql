-- How far each account's executions were read: the last of the batch stands.
kept as (
    insert into execution_cursors (account_id, cursor)
    select distinct on (fence_account) fence_account, cursor
    from judged where refused = '' order by fence_account, i desc
    on conflict (account_id) do update set cursor = excluded.cursor, updated_at = now()
)
select refused from judged order by i
