"""`make bench`: every figure that we claim, in one run, with its floor beside it. Ratios, medians.

Recorded bars are read from MARKET_DATA_DIR; without it the shipped daily file serves.
"""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.bench import parts


def main() -> None:
    """One part after the other, each in a process of its own: none inherits another's garbage."""
    print("medians and ratios; each floor is measured in the same run on the same machine")
    for part in parts.PARTS:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            for line in process.submit(parts.quietly, part).result():
                print(f"- {line}", flush=True)


if __name__ == "__main__":
    main()
