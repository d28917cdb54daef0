-- Balances, where they differ from the one before: in the table, or in this very batch.
before as (
    select j.*, lag(digest) over (partition by account_id order by i) as digest_before
    from judged j where refused = ''
), kept as (
    insert into balances (
        account_id, broker_account, currency, cash, equity, buying_power, is_blocked, reported_at)
    select
        b.account_id, b.broker_account, b.currency, b.cash, b.equity, b.buying_power,
        b.is_blocked, b.reported_at
    from before b left join lateral (
        select * from balances n where n.account_id = b.account_id order by seq desc limit 1
    ) newest on true
    where case
        when b.digest_before is not null then b.digest_before <> b.digest
        else (newest.broker_account, newest.currency, newest.cash, newest.equity,
              newest.buying_power, newest.is_blocked)
            is distinct from
            (b.broker_account, b.currency, b.cash, b.equity, b.buying_power, b.is_blocked)
        end
    order by b.i
)
select refused from judged order by i
