-- A page of what moved a session's position, from a place on, as it was recorded. Each part has a
-- limit of its own, so that a page costs a page and not all that follows it.
(select seq, execution_id, side, qty, price, fee, happened_at, null::finite as to_qty,
    null::finite as to_avg_px
from fills where session_id = $1 and seq >= $2 order by seq limit $3)
union all
(select seq, null, null, null, null, null, happened_at, to_qty, to_avg_px
from adjustments where session_id = $1 and seq >= $2 order by seq limit $3)
order by seq
limit $3
