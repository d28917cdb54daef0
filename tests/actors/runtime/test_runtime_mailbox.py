"""Lanes, conflation and seals: what a mailbox keeps, what it may drop, and in which order."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actors.runtime.mailbox import Latest, Mail, Mailbox, Seals, Sorting
from actors.runtime.messages import Lane


@dataclass(frozen=True, slots=True)
class Halt:
    number: int


@dataclass(frozen=True, slots=True)
class Fill:
    number: int


@dataclass(frozen=True, slots=True)
class Partial:
    symbol: str
    bar: int
    number: int


@dataclass(frozen=True, slots=True)
class Closed:
    symbol: str
    bar: int
    number: int


@dataclass(frozen=True, slots=True)
class Spread:
    symbol: str
    low: int
    high: int


def a_mailbox() -> Mailbox:
    return Mailbox(
        Sorting(
            {Halt: Lane.CONTROL, Closed: Lane.MARKET},
            {
                Partial: lambda partial: partial.symbol,
                Closed: Seals(Partial, key=lambda closed: closed.symbol),
                Spread: Latest(
                    key=lambda spread: spread.symbol,
                    merge=lambda old, new: Spread(
                        new.symbol, min(old.low, new.low), max(old.high, new.high)
                    ),
                ),
            },
        )
    )


def emptied(mailbox: Mailbox) -> list[Any]:
    messages = []
    while (mail := mailbox.take()) is not None:
        messages.append(mail.message)
    return messages


def put(mailbox: Mailbox, *messages: Any) -> None:
    for message in messages:
        mailbox.put(Mail(message))


def test_a_halt_overtakes_the_fills_and_the_fills_overtake_the_bars() -> None:
    mailbox = a_mailbox()

    put(mailbox, Closed("AAPL", 1, 1), Fill(1), Fill(2), Halt(1))

    assert emptied(mailbox) == [Halt(1), Fill(1), Fill(2), Closed("AAPL", 1, 1)]


def test_of_waiting_partials_of_a_symbol_only_the_newest_is_served_in_the_firsts_place() -> None:
    mailbox = a_mailbox()

    put(mailbox, Partial("AAPL", 1, 1), Partial("IBM", 1, 2), Partial("AAPL", 1, 3))

    assert mailbox.depth_count == 2
    assert emptied(mailbox) == [Partial("AAPL", 1, 3), Partial("IBM", 1, 2)]


def test_a_conflated_price_keeps_the_extremes_it_passed_through() -> None:
    mailbox = a_mailbox()

    put(mailbox, Spread("AAPL", 100, 101), Spread("AAPL", 90, 95), Spread("AAPL", 97, 120))

    assert emptied(mailbox) == [Spread("AAPL", 90, 120)]


def test_a_closed_bar_voids_the_partial_before_it_and_the_next_partial_waits_behind_it() -> None:
    mailbox = a_mailbox()

    put(mailbox, Partial("AAPL", 1, 1), Fill(1), Closed("AAPL", 1, 2), Partial("AAPL", 2, 3))

    assert mailbox.depth_count == 3
    assert emptied(mailbox) == [Fill(1), Closed("AAPL", 1, 2), Partial("AAPL", 2, 3)]
    assert mailbox.depth_count == 0


def test_two_types_with_the_same_key_do_not_replace_each_other() -> None:
    mailbox = a_mailbox()

    put(mailbox, Partial("AAPL", 1, 1), Spread("AAPL", 1, 2))

    assert emptied(mailbox) == [Partial("AAPL", 1, 1), Spread("AAPL", 1, 2)]


def test_a_message_put_back_is_the_next_of_its_lane() -> None:
    mailbox = a_mailbox()
    put(mailbox, Fill(1), Fill(2), Fill(3))

    poison = mailbox.take()
    assert poison is not None
    mailbox.put_back(poison)

    assert emptied(mailbox) == [Fill(1), Fill(2), Fill(3)]


def test_an_idle_mailbox_stays_bounded_however_fast_the_ticks_come() -> None:
    mailbox = a_mailbox()

    for number in range(10_000):
        put(mailbox, Partial("AAPL", number, number), Closed("AAPL", number, number))
        mailbox.take()  # the bar; its partial was voided

    assert mailbox.depth_count == 0
    assert all(len(queue) <= 2 for queue in mailbox._queues)


_SYMBOLS = st.sampled_from(["AAPL", "IBM"])
_ACTIONS = st.lists(
    st.one_of(
        st.just(("take",)),
        st.just(("put_back",)),
        st.tuples(st.just("halt")),
        st.tuples(st.just("fill")),
        st.tuples(st.just("partial"), _SYMBOLS),
        st.tuples(st.just("close"), _SYMBOLS),
    ),
    max_size=80,
)


@given(_ACTIONS)
def test_whatever_happens_facts_are_served_once_in_order_and_partials_are_never_out_of_place(
    actions: list[tuple[str, ...]],
) -> None:
    mailbox = a_mailbox()
    served: list[Any] = []
    sent: dict[type, list[Any]] = defaultdict(list)
    bars: dict[str, int] = defaultdict(int)

    def take() -> Mail | None:
        waits_control = len(sent[Halt]) > sum(isinstance(m, Halt) for m in served)
        waits_events = len(sent[Fill]) > sum(isinstance(m, Fill) for m in served)
        mail = mailbox.take()
        if mail is not None:
            if waits_control:
                assert isinstance(mail.message, Halt)
            elif waits_events:
                assert isinstance(mail.message, Fill)
        return mail

    for number, (action, *arguments) in enumerate([*actions, *[("take",)] * 200]):
        match action:
            case "take":
                mail = take()
                if mail is not None:
                    served.append(mail.message)
            case "put_back":
                mail = take()
                if mail is not None:
                    mailbox.put_back(mail)
                    assert mailbox.take() is mail
                    served.append(mail.message)
            case "halt" | "fill":
                kind = Halt if action == "halt" else Fill
                sent[kind].append(kind(number))
                put(mailbox, kind(number))
            case "partial":
                put(mailbox, Partial(arguments[0], bars[arguments[0]], number))
            case "close":
                bar = Closed(arguments[0], bars[arguments[0]], number)
                bars[arguments[0]] += 1
                sent[Closed].append(bar)
                put(mailbox, bar)

    assert mailbox.depth_count == 0
    for kind in (Halt, Fill, Closed):
        assert [m for m in served if isinstance(m, kind)] == sent[kind]
    for symbol in ("AAPL", "IBM"):
        of_symbol = [m for m in served if isinstance(m, Partial | Closed) and m.symbol == symbol]
        numbers = [message.number for message in of_symbol]
        assert numbers == sorted(numbers)  # no partial overtakes or trails its bar
        closed_bars = -1
        for message in of_symbol:
            assert message.bar > closed_bars
            if isinstance(message, Closed):
                closed_bars = message.bar
