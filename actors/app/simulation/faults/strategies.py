"""What a strategy does that no strategy should."""

from actors.app.simulation.faults.kind import Kind

KINDS: tuple[Kind, ...] = ()
