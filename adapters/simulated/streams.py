"""The venue's end of the orders streams: who listens, and what is pushed to whom."""

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from adapters.sandbox.alpaca_wire import trade_update_json
from adapters.sandbox.events import Happening, OrderChanged
from adapters.simulated.account_faults import EVENTS, AccountFaultKind, AccountFaults, Occasion
from adapters.simulated.line import Stream

HEARTBEAT_S = 7.5  # a ping every 5 s, and half of that for its answer


class Control(StrEnum):
    """What a stream says beside its messages."""

    LISTENING = "listening"
    CLOSED = "closed"


Frame = Control | dict[str, Any]


@dataclass(slots=True)
class Subscriber:
    """One open connection."""

    number: str
    who: str
    stream: Stream[Frame]
    is_half_open: bool = False


class OrderStreams:
    """Every open connection, and the faults between it and its daemon."""

    def __init__(self, faults: AccountFaults) -> None:
        self._faults = faults
        self._subscribers: list[Subscriber] = []

    def open(self, subscriber: Subscriber) -> None:
        """Push to it from now on; an older connection of the same daemon and account is closed."""
        if not subscriber.stream.is_open:
            return  # whoever dialled has hung up meanwhile
        self.hang_up(subscriber.who, subscriber.number)
        self._subscribers.append(subscriber)
        subscriber.stream.push(Control.LISTENING)

    def hang_up(self, who: str, number: str | None = None) -> None:
        """The other end is gone: forget its connections."""
        for each in tuple(self._subscribers):
            if each.who == who and number in (None, each.number):
                each.stream.cut()
                self._subscribers.remove(each)

    def cut(self) -> None:
        """Close every connection; the daemons hear of it and come back."""
        for each in tuple(self._subscribers):
            self._close(each)

    def happened(self, happenings: list[Happening]) -> None:
        """Push what concerns orders."""
        for each in happenings:
            if type(each) is OrderChanged and self._subscribers:
                data = trade_update_json(each)["data"]
                for subscriber in tuple(self._subscribers):
                    if subscriber.number == each.order.account:
                        self._push(subscriber, each, data)

    def _push(self, subscriber: Subscriber, change: OrderChanged, data: dict[str, Any]) -> None:
        if not subscriber.stream.is_open:
            self._subscribers.remove(subscriber)  # closed by the daemon
            return
        if subscriber.is_half_open:
            return
        fault = None
        if not self._faults.is_quiet:
            occasion = Occasion(
                subscriber.number,
                subscriber.who,
                client_order_id=change.order.request.client_order_id,
                event=change.event,
            )
            fault = self._faults.strike(EVENTS, occasion)
        match None if fault is None else fault.kind:
            case None:
                subscriber.stream.push(data)
            case AccountFaultKind.EVENT_TWICE:
                subscriber.stream.push(data)
                subscriber.stream.push(data)
            case AccountFaultKind.EVENT_LATE:
                assert fault is not None
                push = subscriber.stream.push
                asyncio.get_running_loop().call_later(fault.delay_s, lambda: push(data))
            case AccountFaultKind.EVENT_GARBLED:
                subscriber.stream.push({"event": data["event"]})
            case AccountFaultKind.STREAM_CUT:
                self._close(subscriber)
            case AccountFaultKind.STREAM_HALF_OPEN:
                self._half_open(subscriber)
            case _:
                pass  # lost, or the stream is mute

    def _close(self, subscriber: Subscriber) -> None:
        self._subscribers.remove(subscriber)
        subscriber.stream.push(Control.CLOSED)

    def _half_open(self, subscriber: Subscriber) -> None:
        subscriber.is_half_open = True

        def noticed() -> None:
            if subscriber in self._subscribers:
                self._close(subscriber)

        asyncio.get_running_loop().call_later(HEARTBEAT_S, noticed)
