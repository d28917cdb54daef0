-- A round trip, once: its closing execution is its name. Not flushed on its own: a crash of the
-- server that loses it loses the end of its job too, which then runs again.
insert into trades (
    session_id, account_id, instrument, side, qty, entry_px, exit_px, fees, realized, opened_at,
    closed_at, closing_execution_id, closing_seq, left_over_qty)
select id, account_id, instrument, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12
from sessions, (select set_config('synchronous_commit', 'off', true)) as relaxed where id = $1
on conflict do nothing
