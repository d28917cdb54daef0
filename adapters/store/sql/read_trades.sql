-- A page of round trips, newest first.
select * from trades
where ($1::text is null or session_id = $1)
    and ($2::text is null or seq < (select min(seq) from trades where closing_execution_id = $2))
order by seq desc limit $3
