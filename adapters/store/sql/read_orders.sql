-- A page of orders, newest first, optionally of one session, without those in some statuses.
select * from orders
where ($1::text is null or session_id = $1)
    and ($2::text is null or seq < (select seq from orders where id = $2))
    and status <> all ($3::text[])
order by seq desc limit $4
