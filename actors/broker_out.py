"""What leaves for the venue: orders and requests, each through the last gate, and their answers.

Answers go to `reply_to` from the wait itself, so a dead incarnation's Accepted still arrives.
Nothing sent is `NotSent`; sent without a usable answer is `Unknown`, never a guess.
"""

from collections.abc import Awaitable, Callable
from typing import assert_never

from actors.account_messages import SubmitOrder, SubmitRequest
from actors.last_gate import EntryBar, LastGate
from actors.runtime import Actor
from trader.money import NO_QTY
from trader.orders.events import (
    ChangeAnswered,
    OrderAccepted,
    OrderDenied,
    OrderRejected,
    OrderSubmitted,
    OrderUnanswered,
)
from trader.orders.order import Cancel, Change, Order, Replace, request_id
from trader.ports import Accepted, Account, Answer, NotSent, Rejected, Unknown
from trader.proofs import Recorded

OrderAnswer = OrderAccepted | OrderRejected | OrderUnanswered | OrderDenied


class Outgoing:
    """See the module. One account manager's; its waits are that actor's.

    `acknowledged` is told how many seconds the venue took to answer an order.
    """

    def __init__(
        self,
        actor: Actor,
        account: Account,
        gate: LastGate,
        entry_bar: EntryBar,
        acknowledged: Callable[[float], None],
    ) -> None:
        self._actor = actor
        self._acknowledged = acknowledged
        self._account = account
        self._gate = gate
        self._entry_bar = entry_bar

    def submit(self, asked: SubmitOrder) -> None:
        """Send an order. `OrderSubmitted` once it is past the gate, then its answer."""
        order = asked.order.item
        elapsed, sent_s = self._actor.runtime.host.elapsed, 0.0

        def gate() -> NotSent | None:
            refusal = self._gate.may_submit(
                order,
                is_exit=asked.is_exit,
                deadline_s=asked.deadline_s,
                attempt=asked.attempt,
                entry_bar=self._entry_bar,
            )
            if refusal is None:
                nonlocal sent_s
                sent_s = elapsed()
                asked.reply_to.tell(OrderSubmitted(order.id))
            return refusal

        def answered(answer: Answer) -> OrderAnswer:
            if isinstance(answer, Accepted | Rejected):
                self._acknowledged(elapsed() - sent_s)
            return self._answered(order, asked.attempt, answer)

        self._actor.pipe(
            self._account.submit(asked.order, gate),
            done=answered,
            failed=lambda error: OrderUnanswered(order.id, repr(error)),
            to=asked.reply_to,
        )

    def request(self, asked: SubmitRequest) -> None:
        """Send a replace or a cancel. `ChangeAnswered`."""
        change = asked.change.item

        def gate() -> NotSent | None:
            return self._gate.may_change(
                raises_risk=not asked.is_exit,
                deadline_s=asked.deadline_s,
                entry_bar=self._entry_bar,
            )

        self._actor.pipe(
            self._call(asked.change, gate),
            done=lambda answer: _change_answered(change, answer),
            failed=lambda error: _change_unknown(change, repr(error)),
            to=asked.reply_to,
        )

    def _call(
        self, proof: Recorded[Change], gate: Callable[[], NotSent | None]
    ) -> Awaitable[Answer]:
        change = proof.item
        match change:
            case Replace():
                return self._account.replace(proof, gate)  # type: ignore[arg-type]
            case Cancel():
                return self._account.cancel(proof, gate)  # type: ignore[arg-type]
            case _:
                assert_never(change)

    def _answered(self, order: Order, attempt: int, answer: Answer) -> OrderAnswer:
        match answer:
            case Accepted():
                return OrderAccepted(order.id, answer.broker_order_id)
            case Rejected():
                self._settle(order, attempt)
                return OrderRejected(order.id, answer.code, answer.text)
            case Unknown():
                return OrderUnanswered(order.id, answer.cause)
            case NotSent():
                if answer.reason_code != "already_sent":
                    self._settle(order, attempt)
                return OrderDenied(order.id, answer.reason_code, answer.detail)
            case _:
                assert_never(answer)

    def _settle(self, order: Order, attempt: int) -> None:
        """It takes nothing from the position. A refused resend says nothing of the first one."""
        if attempt == 1:
            self._gate.over(order.instrument, order.id, NO_QTY)


def _change_answered(change: Change, answer: Answer) -> ChangeAnswered:
    request, target = request_id(change), change.target
    match answer:
        case Accepted():
            broker_id = answer.broker_order_id if isinstance(change, Replace) else None
            return ChangeAnswered(request, target, "accepted", broker_id)
        case Rejected():
            return ChangeAnswered(request, target, "rejected", None, answer.code, answer.text)
        case Unknown():
            return _change_unknown(change, answer.cause)
        case NotSent():
            code, detail = answer.reason_code, answer.detail
            return ChangeAnswered(request, target, "not_sent", None, code, detail)
        case _:
            assert_never(answer)


def _change_unknown(change: Change, cause: str) -> ChangeAnswered:
    return ChangeAnswered(request_id(change), change.target, "unknown", None, "", cause)


def lost(message: object, error: BaseException) -> None:
    """A submit whose handler crashed is never served again: its sender hears that nobody knows."""
    cause = f"the account manager failed: {error!r}"
    if isinstance(message, SubmitOrder):
        message.reply_to.tell(OrderUnanswered(message.order.item.id, cause))
    elif isinstance(message, SubmitRequest):
        message.reply_to.tell(_change_unknown(message.change.item, cause))
