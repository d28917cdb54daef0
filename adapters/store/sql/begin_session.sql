-- Bump the incarnation, which waits for every write of the one before, and only under the lease.
update sessions s set incarnation = s.incarnation + 1, is_desired = true
from (select from leases where account_id = $2 and epoch = $3 for key share) held
where s.id = $1
returning s.incarnation, clock_timestamp() as read_at
