"""How often a process of the gateway looks for cycles: what it keeps for long is looked through each time, and holds few."""

import gc

COLLECT_AFTER = (20_000, 20, 50)
"""Objects made, and collections of the younger generation, after which the garbage collector looks."""


def collect_seldom() -> None:
    """Leave what the start has made to itself, and look less often.

    By Python's own measure a quarter of a connect's time was this, and a tenth to a fifth of an update's in a relay of 10,000 lists.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
