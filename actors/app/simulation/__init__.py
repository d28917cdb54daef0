"""The whole daemon under a seed: worlds, faults, invariants, and what a seed proves."""
