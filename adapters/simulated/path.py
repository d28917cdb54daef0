"""The price path of a simulated venue: its source, less what is halted."""

from dataclasses import replace

from adapters.sandbox.prices import PriceSource, Slot


class HaltablePath:
    """A source whose symbols can be halted, each from its next slot on."""

    def __init__(self, source: PriceSource) -> None:
        self.halted: dict[str, None] = {}  # symbols, in the order they were halted
        self._source = source

    def slot(self, number: int) -> Slot:
        """Slot `number`; what is halted does not trade in it."""
        slot = self._source.slot(number)
        if not self.halted:
            return slot
        return tuple(
            replace(step, moves=tuple(m for m in step.moves if m.symbol not in self.halted))
            for step in slot
        )
