"""The garbage collector kept out of the way while a daemon trades.

Nearly everything is freed by counting references; the collector only looks for cycles. What is
there when trading begins lives until the end, so no collection need walk over it, and new objects
are looked at after tens of thousands instead of hundreds: a pause in the middle of an order is
rarer, and short.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

THRESHOLDS: Final = (50_000, 20, 100)


@contextmanager
def few_pauses() -> Iterator[None]:
    """Set aside what is there, and collect rarely, until the end."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
