-- Take a lease that is ours or has run out; none is returned where another holds it. Another
-- holder raises the epoch, which is part of a key and so waits for every write of the old epoch
-- that is still under way.
update leases set
    holder = $2,
    epoch = epoch + case when holder = $2 then 0 else 1 end,
    expires_at = clock_timestamp() + $3::interval
where account_id = $1 and (holder = $2 or expires_at < clock_timestamp())
returning epoch
