"""The promises as checkers; each reads the true history of venue and rows, no daemon's word."""

from actors.app.simulation.invariants.checker import Broken, Checker
from actors.app.simulation.invariants.convergence import Converged, FillsAgree
from actors.app.simulation.invariants.orders import OneOrderPerIntent

CHECKERS: tuple[type[Checker], ...] = (
    OneOrderPerIntent,
    Converged,
    FillsAgree,
)

__all__ = ["CHECKERS", "Broken", "Checker"]
