"""The outside world under a seed: the same ports, in memory, with a hand on their faults."""
