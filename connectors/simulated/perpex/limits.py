"""120 requests in any 60 s for each key (protocol 9.1): a sliding window, nothing saved up.

A request over the limit is not counted: a client that waits as long as it is told gets through.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

from connectors.simulated.perpex.errors import RATE_LIMITED, Refusal
from connectors.simulated.perpex.settings import PerpexFaceSettings
from engine.drive.seams import Clock
from engine.model.units import NS_PER_S, ceil_div

KEYS_MAX: Final = 10_000


class RequestLimits:
    """The windows of all keys; of more than 10,000 the one longest unused is forgotten."""

    def __init__(self, settings: PerpexFaceSettings, clock: Clock) -> None:
        self._most = settings.requests_max
        self._span_ns = round(settings.requests_span_s * NS_PER_S)
        self._clock = clock
        self._windows: OrderedDict[str, deque[int]] = OrderedDict()

    def spend(self, key: str, requests: int = 1) -> None:
        """Count requests of a key. Raises Refusal, with how long to wait, when they do not fit."""
        now_ns = self._clock.monotonic_ns()
        window = self._windows.setdefault(key, deque())
        self._windows.move_to_end(key)
        if len(self._windows) > KEYS_MAX:
            self._windows.popitem(last=False)
        while window and window[0] + self._span_ns <= now_ns:
            window.popleft()
        over = len(window) + requests - self._most
        if over > 0:
            last = min(over, len(window)) - 1
            wait_ns = window[last] + self._span_ns - now_ns if window else self._span_ns
            raise throttled(ceil_div(wait_ns, NS_PER_S))
        window.extend([now_ns] * requests)


def throttled(wait_s: int) -> Refusal:
    """The answer to one request too many."""
    text = f"too many requests, wait {wait_s} s"
    return Refusal(RATE_LIMITED, text, headers={"Retry-After": str(wait_s)})
