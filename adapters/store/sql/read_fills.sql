-- A page of executions, newest first. An execution id is unique within an account only.
select * from fills
where ($1::text is null or session_id = $1)
    and ($2::text is null or seq < (select min(seq) from fills where execution_id = $2))
order by seq desc limit $3
