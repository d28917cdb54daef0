-- The house's rows. What the broker can tell again is here for the audit; candles, strategy state
-- and heat are never stored. Rules that must hold whoever writes are kept by the database itself.

create domain finite as numeric check (value > '-Infinity' and value < 'Infinity');  -- no NaN

-- ------------------------------------------------------------------ who may write

create table leases (
    account_id text primary key,
    holder     text not null,
    epoch      bigint not null,
    expires_at timestamptz not null,  -- the server's clock decides, nobody else's
    -- The epoch is part of a key, so that a takeover waits for every write of the old epoch, which
    -- holds the row FOR KEY SHARE; a renewal changes no key and waits for nobody.
    unique (account_id, epoch)
);

create table sessions (
    id          text primary key,
    account_id  text not null,
    instrument  text not null,
    incarnation bigint not null default 0,
    is_desired  boolean not null default true,
    multiplier  finite not null default 1,  -- money per whole point and unit
    config      jsonb not null default '{}',
    created_at  timestamptz not null default now(),
    unique (id, incarnation)  -- a key, as the epoch is
);
create unique index sessions_one_per_instrument on sessions (account_id, instrument)
    where is_desired;

-- ------------------------------------------------------------------ orders

create table orders (
    seq             bigint generated always as identity unique,
    id              text primary key,
    session_id      text not null,
    account_id      text not null,
    instrument      text not null,
    side            text not null check (side in ('BUY', 'SELL')),
    type            text not null,
    tif             text not null,
    qty             finite not null check (qty > 0),
    purpose         text not null,
    reason          text not null,
    cause_kind      text not null,
    cause_key       text not null,
    incarnation     bigint not null,
    price           finite,
    stop_price      finite,
    protective_stop finite,
    replaces        text,
    decided_at      timestamptz,
    status          text not null check (status in (
        'INITIALIZED', 'SUBMITTED', 'UNKNOWN', 'ACCEPTED', 'PENDING_UPDATE', 'PENDING_CANCEL',
        'PARTIALLY_FILLED', 'FILLED', 'CANCELED', 'EXPIRED', 'REJECTED', 'DENIED')),
    broker_order_id text,
    cum_qty         finite not null default 0,
    avg_px          finite,
    reason_code     text not null default '',
    detail          text not null default '',
    event_count     integer not null default 1,
    recorded_at     timestamptz not null default now(),
    updated_at      timestamptz not null default now()
) with (fillfactor = 80);  -- an order moves a few times: room for its next versions
create index orders_by_session on orders (session_id, seq);

create table order_events (
    order_id        text not null references orders,
    n               integer not null,
    event           text not null,
    status          text not null,
    broker_order_id text,
    cum_qty         finite not null default 0,
    avg_px          finite,
    reason_code     text not null default '',
    detail          text not null default '',
    happened_at     timestamptz,
    digest          bytea not null,  -- of the columns above: the same batch twice is seen
    epoch           bigint not null,
    incarnation     bigint not null,
    recorded_at     timestamptz not null default now(),
    primary key (order_id, n)
);

create table changes (
    id               text primary key,  -- the cancel request's id, or the successor's
    kind             text not null check (kind in ('REPLACE', 'CANCEL')),
    session_id       text not null,
    account_id       text not null,
    instrument       text not null,
    target           text not null,
    target_broker_id text not null,
    reason           text not null,
    incarnation      bigint not null,
    after_n          integer not null,  -- how many events the target had when this was asked
    recorded_at      timestamptz not null default now()
);
create index changes_by_target on changes (target);

-- ------------------------------------------------------------------ positions

create sequence position_moves;  -- one order for all that moves positions

create table fills (
    seq             bigint not null default nextval('position_moves') unique,
    account_id      text not null,
    execution_id    text not null,
    session_id      text not null,
    order_id        text,  -- null: an order that nobody of us knows
    client_order_id text not null,
    broker_order_id text not null,
    instrument      text not null,
    side            text not null check (side in ('BUY', 'SELL')),
    qty             finite not null check (qty > 0),
    price           finite not null,
    cum_qty         finite not null,
    fee             finite,
    happened_at     timestamptz not null,
    seen_at         timestamptz not null,
    position_qty    finite not null,  -- signed, after this fill
    position_avg_px finite,
    realized        finite not null,
    recorded_at     timestamptz not null default now(),
    primary key (account_id, execution_id)
);
create index fills_by_session on fills (session_id, seq);
create index fills_by_execution on fills (execution_id);
create index fills_by_order on fills (order_id) where order_id is not null;
create index fills_by_instrument on fills (account_id, instrument, happened_at);

create table adjustments (
    seq         bigint not null default nextval('position_moves') unique,
    key         text primary key,
    session_id  text not null,
    account_id  text not null,
    instrument  text not null,
    from_qty    finite not null,
    to_qty      finite not null,
    to_avg_px   finite,
    cause       text not null,
    detail      text not null,
    happened_at timestamptz not null,
    recorded_at timestamptz not null default now()
);
create index adjustments_by_session on adjustments (session_id, seq);

create table positions (
    session_id text primary key,
    account_id text not null,
    instrument text not null,
    qty        finite not null,
    avg_px     finite,
    realized   finite not null default 0,
    source     text not null check (source in ('FILL', 'ADJUSTMENT')),
    updated_at timestamptz not null default now()
) with (fillfactor = 50);
create index positions_by_account on positions (account_id);

create table execution_cursors (
    account_id text primary key,
    cursor     text not null,
    updated_at timestamptz not null default now()
);

create table trades (
    seq                  bigint generated always as identity unique,
    session_id           text not null,
    account_id           text not null,
    instrument           text not null,
    side                 text not null check (side in ('BUY', 'SELL')),  -- of its entry
    qty                  finite not null,
    entry_px             finite not null,
    exit_px              finite not null,
    fees                 finite not null,
    realized             finite not null,  -- after fees
    opened_at            timestamptz not null,
    closed_at            timestamptz not null,
    closing_execution_id text not null,
    closing_seq          bigint not null,
    left_over_qty        finite not null,  -- signed: what a flip opened with the closing fill
    recorded_at          timestamptz not null default now(),
    primary key (account_id, closing_execution_id)
);
create index trades_by_execution on trades (closing_execution_id);
create index trades_by_session on trades (session_id, closing_seq);

-- ------------------------------------------------------------------ accounts, audit, operator

create table balances (
    seq            bigint generated always as identity primary key,
    account_id     text not null,
    broker_account text not null,
    currency       text not null,
    cash           finite not null,
    equity         finite not null,
    buying_power   finite not null,
    is_blocked     boolean not null,
    reported_at    timestamptz not null,
    recorded_at    timestamptz not null default now()
);
create index balances_by_account on balances (account_id, seq);

create table decisions (
    session_id    text not null,
    bar_opened_at timestamptz not null,
    digest        bytea not null,  -- of the whole row: the same decision is written once
    action        text not null,
    reason        text not null,
    reason_code   text not null,
    bar_digest    text not null,
    order_ids     text[] not null,
    incarnation   bigint not null,
    recorded_at   timestamptz not null default now(),
    primary key (session_id, bar_opened_at, digest)
);
create index decisions_by_age on decisions using brin (recorded_at);

create table portfolio_limits (
    version     bigint generated always as identity primary key,
    warn_ratio  finite not null check (warn_ratio > 0),
    block_ratio finite not null check (block_ratio >= warn_ratio),
    changed_by  text not null,
    changed_at  timestamptz not null default now()
);

create table portfolio_group_caps (
    version    bigint not null references portfolio_limits,
    group_name text not null,
    cap_ratio  finite not null check (cap_ratio > 0),
    primary key (version, group_name)
);

create table trading_state (
    is_only    boolean primary key default true check (is_only),
    state      text not null check (state in ('ACTIVE', 'HALTED', 'EXITS_ONLY')),
    reason     text not null,
    changed_by text not null,
    changed_at timestamptz not null default now()
);
insert into trading_state (state, reason, changed_by) values ('ACTIVE', 'a new house', 'house');

create table commands (
    id          text primary key,
    kind        text not null,
    session_id  text,
    reason      text not null,
    asked_by    text not null,
    asked_at    timestamptz not null default now(),
    outcome     text check (outcome in ('DONE', 'FAILED')),
    detail      text not null default '',
    finished_at timestamptz
);
create index commands_open on commands (asked_at) where outcome is null;

-- ------------------------------------------------------------------ rules

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end $$;

create trigger order_events_append_only before update or delete or truncate on order_events
    for each statement execute function refuse_change();
create trigger fills_append_only before update or delete or truncate on fills
    for each statement execute function refuse_change();
create trigger adjustments_append_only before update or delete or truncate on adjustments
    for each statement execute function refuse_change();
create trigger changes_append_only before update or delete or truncate on changes
    for each statement execute function refuse_change();

create function status_has_its_event() returns trigger language plpgsql as $$
begin
    if not exists (
        select from order_events e
        where e.order_id = new.id and e.n = new.event_count and e.status = new.status
    ) then
        raise exception 'order % is % without its event', new.id, new.status
            using errcode = 'integrity_constraint_violation';
    end if;
    return null;
end $$;

create constraint trigger orders_status_has_its_event
    after insert or update of status, event_count on orders
    deferrable initially deferred
    for each row execute function status_has_its_event();
