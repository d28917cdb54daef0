-- Take the lease when it is free or ours. Another holder raises the epoch, which is part of a key
-- and so waits for every write of the old epoch that is still under way.
insert into leases as l (account_id, holder, epoch, expires_at)
values ($1, $2, 1, clock_timestamp() + $3::interval)
on conflict (account_id) do update set
    holder = excluded.holder,
    epoch = l.epoch + case when l.holder = excluded.holder then 0 else 1 end,
    expires_at = excluded.expires_at
where l.holder = excluded.holder or l.expires_at < clock_timestamp()
returning epoch
