"""Asking the broker: a question without an answer is asked again after its deadline."""

from trader.session.effects import AskOrders, AskPosition, Effects
from trader.session.state import SessionState


def ask_all(state: SessionState, now_s: float) -> Effects:
    """Both questions, now."""
    return ask_position(state, now_s) + ask_orders(state, now_s)


def ask_position(state: SessionState, now_s: float) -> Effects:
    """Ask for the position; a question without an answer is asked again after its deadline."""
    state.position_asked_s = now_s
    state.position_due_s = now_s + 2 * state.rules.query_deadline_s
    state.owe(state.position_due_s)
    return (AskPosition(),)


def ask_orders(state: SessionState, now_s: float) -> Effects:
    """Ask for the open orders, likewise."""
    state.orders_asked_s = now_s
    state.orders_due_s = now_s + 2 * state.rules.query_deadline_s
    state.owe(state.orders_due_s)
    return (AskOrders(),)


def next_s(now_s: float, period_s: float) -> float:
    """When to ask again unasked: all sessions with that period at the same instants.

    An account's sessions have the same period, and so one call answers all of them.
    """
    return (now_s // period_s + 1) * period_s
