"""The promises as checkers; each reads the true history of venue and rows, no daemon's word."""

from actors.app.simulation.invariants.checker import Broken, Checker
from actors.app.simulation.invariants.convergence import Converged, FillsAgree
from actors.app.simulation.invariants.operator import AcknowledgedIsKept, HaltHolds
from actors.app.simulation.invariants.orders import OneOrderPerIntent
from actors.app.simulation.invariants.ownership import NewestIncarnation, SingleWriter

CHECKERS: tuple[type[Checker], ...] = (
    OneOrderPerIntent,
    Converged,
    FillsAgree,
    AcknowledgedIsKept,
    HaltHolds,
    SingleWriter,
    NewestIncarnation,
)

__all__ = ["CHECKERS", "Broken", "Checker"]
