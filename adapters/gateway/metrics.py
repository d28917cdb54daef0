"""Metrics: gauges read off the desk when Prometheus asks; counters and histograms fed by the house.

Labels are bounded sets (session, account, actor, status, reason), never an order's id.
"""

from collections.abc import Iterator, Sequence
from itertools import chain

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from trader.orders.order import Status
from trader.session.events import TradingState
from trader.views import ActorView, FeedView, StatusView

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
# A bar's way is milliseconds on a good day and the venue's timeout on a bad one.
_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """What has happened since the start. The house calls one method for each thing that happens."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._orders = Counter(
            "trader_orders", "Orders that reached a status", ["status"], registry=self._registry
        )
        self._breaks = Counter(
            "trader_reconcile_breaks",
            "Findings of a reconcile",
            ["kind"],
            registry=self._registry,
        )
        self._ack_s = self._histogram("trader_order_ack_seconds", "From sent to the venue's answer")
        self._decision_s = self._histogram(
            "trader_bar_to_decision_seconds", "From a closed bar to its decision"
        )
        self._write_s = self._histogram("trader_db_write_seconds", "One commit of the journal")

    def _histogram(self, name: str, help_text: str) -> Histogram:
        return Histogram(name, help_text, buckets=_BUCKETS_S, registry=self._registry)

    def order_reached(self, status: Status) -> None:
        """An order is now in this status."""
        self._orders.labels(status).inc()

    def reconcile_broke(self, kind: str) -> None:
        """Broker, memory and database differed; `kind` is the cause, of a bounded set."""
        self._breaks.labels(kind).inc()

    def order_acknowledged(self, took_s: float) -> None:
        """The venue answered."""
        self._ack_s.observe(took_s)

    def bar_decided(self, took_s: float) -> None:
        """A strategy answered."""
        self._decision_s.observe(took_s)

    def journal_wrote(self, took_s: float) -> None:
        """The journal committed."""
        self._write_s.observe(took_s)

    def page(self, status: StatusView, feeds: Sequence[FeedView], actors: ActorView) -> bytes:
        """Everything, in Prometheus' text format."""
        scrape = CollectorRegistry()
        scrape.register(_Now(self._registry, status, feeds, actors))
        return generate_latest(scrape)

    def page_without_desk(self) -> bytes:
        """What is known when the desk does not answer: the counters, and that it does not."""
        return generate_latest(self._registry) + b"trader_ready 0.0\n"


class _Now(Collector):
    """The gauges of one scrape."""

    def __init__(
        self,
        counters: CollectorRegistry,
        status: StatusView,
        feeds: Sequence[FeedView],
        actors: ActorView,
    ) -> None:
        self._counters = counters
        self._status = status
        self._feeds = feeds
        self._actors = actors

    def collect(self) -> Iterator[Metric]:
        """Counters first, then gauges."""
        return chain(
            self._counters.collect(), self._house(), self._sessions(), self._feed(), self._tree()
        )

    def _house(self) -> Iterator[Metric]:
        status, heat = self._status, self._status.heat
        yield InfoMetricFamily(
            "trader_build", "Program", {"version": status.version, "mode": status.mode}
        )
        yield _gauge("trader_ready", "1 = every check of /readyz passes", status.ready.is_ready)
        yield _gauge(
            "trader_unknown_orders",
            "Orders nobody knows the fate of",
            sum(session.unknown_orders_count for session in status.sessions),
        )
        yield _gauge(
            "trader_dead_letters", "Messages that reached nobody", status.dead_letters_count
        )
        yield _gauge("trader_spooled_exits", "Exits not yet in the database", status.spooled_count)
        if heat.ratio is not None:
            yield _gauge("trader_heat_ratio", "Worst-case loss over equity", float(heat.ratio))
        yield _one_of(
            "trader_heat_level",
            "1 = the level now",
            "level",
            ("CALM", "WARN", "BLOCK", "UNKNOWN"),
            heat.level,
        )
        yield _gauge("trader_heat_missing_sessions", "Not in the sum of heat", len(heat.missing))
        yield _one_of(
            "trader_trading_state",
            "1 = what the operator allows",
            "state",
            tuple(TradingState),
            status.trading_state,
        )

    def _sessions(self) -> Iterator[Metric]:
        age = GaugeMetricFamily(
            "trader_reconcile_age_seconds", "Since the last success", labels=["session"]
        )
        blocked = GaugeMetricFamily(
            "trader_entries_blocked", "1 = refused now", labels=["session", "reason_code"]
        )
        restarts = GaugeMetricFamily("trader_session_restarts", "Of its trader", labels=["session"])
        for session in self._status.sessions:
            restarts.add_metric([session.id], session.restarts_count)
            if session.reconcile_age_s is not None:
                age.add_metric([session.id], session.reconcile_age_s)
            for reason_code in session.blocked_by:
                blocked.add_metric([session.id, reason_code], 1)
        return iter((age, blocked, restarts))

    def _feed(self) -> Iterator[Metric]:
        lag = GaugeMetricFamily(
            "trader_feed_lag_seconds", "Our clock less the newest frame's", labels=["feed"]
        )
        stale = GaugeMetricFamily("trader_feed_stale", "Silent instruments", labels=["feed"])
        for feed in self._feeds:
            stale.add_metric([feed.name], len(feed.stale))
            if feed.lag_s is not None:
                lag.add_metric([feed.name], feed.lag_s)
        return iter((lag, stale))

    def _tree(self) -> Iterator[Metric]:
        depth = GaugeMetricFamily(
            "trader_actor_mailbox_messages", "Waiting, the class's fullest", labels=["actor_class"]
        )
        restarts: dict[str, int] = {}
        deepest: dict[str, int] = {}
        for actor in _all(self._actors):
            deepest[actor.kind] = max(actor.mailbox_depth, deepest.get(actor.kind, 0))
            restarts[actor.kind] = actor.restarts_count + restarts.get(actor.kind, 0)
        died = GaugeMetricFamily("trader_actor_restarts_total", "By class", labels=["actor_class"])
        for kind, count in deepest.items():
            depth.add_metric([kind], count)
            died.add_metric([kind], restarts[kind])
        return iter((depth, died))


def _all(actor: ActorView) -> Iterator[ActorView]:
    yield actor
    for child in actor.children:
        yield from _all(child)


def _gauge(name: str, help_text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_text, value=float(value))


def _one_of(
    name: str, help_text: str, label: str, choices: Sequence[str], now: str
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, help_text, labels=[label])
    for choice in choices:
        family.add_metric([choice], float(choice == now))
    return family
