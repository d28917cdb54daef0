"""Ids that look random and are not: the same seed and the same life give the same ids."""

from hashlib import blake2b


class Identities:
    """Counts, and hides the count in a UUID."""

    def __init__(self, seed: int) -> None:
        self._count = 0
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Hide the count otherwise from now on; it goes on, so a seed that returns repeats none."""
        self._key = seed.to_bytes(8, "big", signed=True)

    def next(self) -> str:
        """An id never given before under this seed."""
        self._count += 1
        return self._spell(self._count)

    def peek(self) -> str:
        """The id that `next` will give."""
        return self._spell(self._count + 1)

    def _spell(self, count: int) -> str:
        digest = blake2b(count.to_bytes(8, "big"), key=self._key, digest_size=16).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:]}"
