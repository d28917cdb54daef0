"""Every boundary of the order path by its name, in a sentence; and those that lie beside it.

`sender -> receiver: Message` is a send; a sender that is left out is a timer or a line. A wait is
`begun` and `ended`; a request `leaves`, is `done` at its server, and its answer is `heard`.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase

_QUESTION = {
    "leaves": "is about to be asked",
    "done": "has been looked at there; the answer is on its way",
    "heard": "has been answered, and nobody has been told",
}


def _wait(what: str, begun: str, ended: str) -> dict[str, str]:
    return {f"{what} begun": begun, f"{what} ended": ended}


def _request(what: str, leaves: str, done: str, heard: str) -> dict[str, str]:
    return {f"{what} leaves": leaves, f"{what} done": done, f"{what} heard": heard}


def _question(what: str, subject: str) -> dict[str, str]:
    return {f"{what} {step}": f"{subject} {says}" for step, says in _QUESTION.items()}


POINTS: Mapping[str, str] = {
    # A bar is decided on
    "-> feed: BarReceived": "a bar has come over the line",
    "feed -> trader: CandleClosed": "the final bar goes to the trader",
    "trader -> strategies: DecideOnBar": "the strategy is to be asked",
    **_wait("strategies: decide", "the strategy is asked", "it has decided, nobody knows it"),
    "strategies -> trader: StrategyDecided": "its decision goes to the trader",
    "trader -> journal: KeepEntry(DecisionEntry)": "the decision is to be kept for the audit",
    "rows: DecisionEntry committed": "the decision is durable",
    # Heat
    "trader -> portfolio: Reserve": "an entry asks for heat",
    "portfolio -> trader: HeatGranted": "heat is reserved; the trader does not know it",
    "trader -> portfolio: TakeContribution": "the session's share of the heat is reported",
    # It is recorded
    "trader -> journal: RecordEntry(OrderEntry)": "an order is to be recorded",
    "trader -> journal: RecordEntry(ChangeEntry)": "a replace or a cancel is to be recorded",
    **_wait("journal: write", "a commit is begun", "a commit is answered; no asker knows it"),
    **_request(
        "rows: journal",
        "the commit is about to be sent to the database",
        "it is committed; the answer is on its way",
        "the answer is there; nobody has been told",
    ),
    "rows: OrderEntry committed": "the order's row is durable",
    "rows: ChangeEntry committed": "the request's row is durable",
    "journal -> trader: OrderRecorded": "the proof of the order goes to the trader",
    "journal -> trader: ChangeRecorded": "the proof of the request goes to the trader",
    "journal -> journal: Written": "the batch is done with",
    "-> journal: Gathered": "progress has been gathered for long enough",
    # It is sent
    "trader -> account: SubmitOrder": "the recorded order is to be sent",
    "trader -> account: SubmitRequest": "the recorded request is to be sent",
    **_wait("account: submit", "the order waits for its turn", "its answer is known to no trader"),
    **_wait("account: replace", "the replace waits for its turn", "its answer is known"),
    **_wait("account: cancel", "the cancel waits for its turn", "its answer is known"),
    "-> trader: OrderSubmitted": "the order is past the last gate, and not on the wire yet",
    **_request(
        "venue: POST /v2/orders",
        "the order is on the wire",
        "the venue has the order; its reply is on its way",
        "the venue's reply is there; nobody has been told",
    ),
    "venue: POST /v2/orders lost": "no reply came to the order",
    **_request(
        "venue: PATCH /v2/orders/{id}",
        "the replace is on the wire",
        "the venue has replaced; its reply is on its way",
        "the venue's reply is there; nobody has been told",
    ),
    **_request(
        "venue: DELETE /v2/orders/{id}",
        "the cancel is on the wire",
        "the venue cancels; its reply is on its way",
        "the venue's reply is there; nobody has been told",
    ),
    "account -> trader: OrderAccepted": "that the venue took it goes to the trader",
    "account -> trader: OrderRejected": "that the venue refused it goes to the trader",
    "trader -> account: ForgetOrder": "the last gate is to count it no longer",
    "account -> trader: OrderUnanswered": "that nobody knows goes to the trader",
    "account -> trader: ChangeAnswered": "the answer to a request goes to the trader",
    # What the venue tells of itself
    "stream: new pushed": "the venue tells that an order works",
    "stream: partial_fill pushed": "the venue tells of a part of a fill",
    "stream: fill pushed": "the venue tells of a fill",
    "stream: canceled pushed": "the venue tells that an order is cancelled",
    "stream: replaced pushed": "the venue tells that an order is replaced",
    "-> account: Streamed(OrderReported)": "a report has come over the stream",
    "-> account: Streamed(OrderFilled)": "a fill has come over the stream",
    "account -> trader: OrderReported": "the report goes to the trader",
    "account -> trader: OrderFilled": "the fill goes to the trader",
    "trader -> journal: KeepEntry(ProgressEntry)": "how the order fares is to be kept",
    "trader -> journal: KeepEntry(FillEntry)": "the fill is to be kept",
    "rows: ProgressEntry committed": "how the order fares is durable",
    "rows: FillEntry committed": "the fill and its position are durable",
    # In doubt the venue is asked
    "-> trader: DutyDue": "something is due: a probe, a deadline, a reconcile",
    "trader -> account: FindOrder": "an order in doubt is to be looked for",
    **_wait("account: find", "it is looked for", "it is found, or not; no trader knows it"),
    **_question("venue: GET /v2/orders:by_client_order_id", "the order in doubt"),
    "trader -> account: QueryOrders": "the order reconcile begins",
    "-> account: CallOrders": "one call for all that ask for orders",
    **_wait("account: open_orders", "the open orders are asked for", "they are known"),
    **_question("venue: GET /v2/orders", "the list of open orders"),
    "account -> account: OrdersAnswered": "the venue's list goes to the account",
    **_question("rows: open orders", "the list of open rows"),
    "account -> account: OrderRowsRead": "the rows' list goes to the account",
    "account -> trader: OpenOrdersReported": "both lists go to the trader",
    "trader -> account: QueryPosition": "the position reconcile begins",
    "-> account: CallPositions": "one call for all that ask for positions",
    **_wait("account: positions", "the positions are asked for", "they are known"),
    **_question("venue: GET /v2/positions", "the list of positions"),
    "account -> account: PositionsAnswered": "the venue's positions go to the account",
    "account -> trader: PositionReported": "the venue's position goes to the trader",
    "trader -> account: ReadExecutions": "the fills are to be read, from the last one known",
    **_wait("account: executions", "the fills are read", "they are known"),
    **_question("venue: GET /v2/account/activities/FILL", "the list of fills"),
    "account -> account: ExecutionsAnswered": "the fills that were read go to the account",
    "account -> journal: KeepEntry(CursorEntry)": "how far fills were read is to be kept",
    "rows: CursorEntry committed": "how far fills were read is durable",
    # The database is down, and an exit goes through the spool
    "journal -> journal: WriteFailed": "nobody knows whether the batch was committed",
    "-> journal: StillWriting": "a commit takes too long",
    "-> journal: Retry": "the same batch is to be tried again",
    "journal -> trader: StoreChanged": "that the database is down, or up again, goes to the trader",
    **_wait("journal: append", "an exit is spooled", "it is spooled; no asker knows it"),
    **_request(
        "disk: flush",
        "the record is written and not flushed",
        "the record is on the disk",
        "the flush has returned; nobody has been told",
    ),
    **_wait("journal: replay", "the spool is replayed", "all of it is in the rows"),
    "rows: Order from the spool committed": "a spooled order is a row now",
    "rows: Cancel from the spool committed": "a spooled cancel is a row now",
    "journal -> journal: Replayed": "the journal is about to be itself again",
}

BESIDE: Mapping[str, tuple[str, ...]] = {
    "the house comes up": (
        "-> *: Up",
        "account: start *",
        "account: read *",
        "account -> account: Loaded",
        "portfolio: limits *",
        "portfolio -> portfolio: LimitsLoaded",
        "portfolio -> account: EquityAsked",
        "portfolio -> watcher: HeatAsked",
        "sessions: instruments *",
        "sessions -> *",
        "trader: begin_session *",
        "trader -> trader: Loaded",
        "trader -> account: AttachSession",
        "trader -> feed: Subscribe",
        "trader -> strategies: OpenStrategy",
        "strategies: open *",
        "strategies -> trader: StrategyReady",
        "rows: SessionRow committed",
        "rows: StoredLimits committed",
        "rows: balance *",
        "rows: begin session *",
        "rows: cursor *",
        "rows: portfolio limits *",
        "rows: trading state *",
        "-> account: Streamed(StreamConnected)",
        "account -> trader: StreamConnected",
        "venue: dial *",
    ),
    "who owns the account": (
        "-> account: RenewLease",
        "account: renew *",
        "account -> account: LeaseAnswered",
        "account -> trader: LeaseChanged",
        "account -> watcher: LeaseChanged",
        "rows: LeaseRow committed",
        "rows: claim *",
        "rows: renew *",
    ),
    "prices and hours": (
        "-> feed: FeedBeat",
        "-> feed: FeedConnected",
        "-> feed: Look",
        "-> feed: SubscribeFeed",
        "-> feed: TickReceived",
        "feed: bars *",
        "feed: open *",
        "feed -> feed: *",
        "feed -> trader: FeedFresh",
        "feed -> trader: FeedStale",
        "feed -> trader: MarketOpened",
        "feed -> trader: PriceMoved",
        "feed -> trader: SeriesOpened",
        "-> hours: AskClock",
        "hours: clock *",
        "hours -> feed: VenueClock",
        "hours -> hours: Answered",
        "venue: GET /v2/clock *",
    ),
    "the account's money, and the sum of the heat": (
        "account: balance *",
        "account -> account: BalanceAnswered",
        "account -> journal: KeepEntry(BalanceEntry)",
        "account -> portfolio: EquityReported",
        "rows: BalanceEntry committed",
        "venue: GET /v2/account *",
        "-> portfolio: Older",
        "portfolio -> sessions: HeatChanged",
        "portfolio -> trader: HeatChanged",
        "portfolio -> watcher: HeatChanged",
    ),
    "the rows' positions, to be compared": (
        "account: position_qtys *",
        "account -> account: PositionRowsRead",
        "rows: positions *",
    ),
    "the operator's commands, and what is told to people": (
        "-> commands: *",
        "commands -> commands: *",
        "commands: wanted *",
        "rows: commands *",
        "trader -> commands: Noticed",
        "trader -> watcher: Noticed",
        "journal -> account: StoreChanged",
        "journal -> watcher: StoreChanged",
        "-> *: Describe*",
        "rows: probe *",
    ),
}


def is_beside(name: str) -> bool:
    """Whether it is known, and not of the order path."""
    return any(fnmatchcase(name, each) for names in BESIDE.values() for each in names)
