"""What wakes a strategy: declared subscriptions and warm-up, and the spans of time in them."""

from __future__ import annotations

import msgspec

from engine.errors import StrategyError
from engine.model.units import NS_PER_S

_SPANS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def span_ns(text: str) -> int:
    """A span such as "1s", "5m", "4h" or "1d" in nanoseconds. Raises StrategyError."""
    number, unit = text[:-1], text[-1:]
    if not number.isdecimal() or int(number) == 0 or unit not in _SPANS_S:
        raise StrategyError(
            f"span {text!r}: expected a whole number and s, m, h or d, such as '1m'"
        )
    return int(number) * _SPANS_S[unit] * NS_PER_S


class Books(msgspec.Struct, frozen=True):
    """Wake at every order-book update: `on_book`."""


class Quotes(msgspec.Struct, frozen=True):
    """Wake at every change of the best bid or ask: `on_quote`."""


class Trades(msgspec.Struct, frozen=True):
    """Wake at every public trade: `on_trade`."""


class Bars(msgspec.Struct, frozen=True):
    """Wake at every closed bar: `on_bar`.

    Taken from the venue where it has them, else built from trades. `history` bars are kept for
    `view.bars`.
    """

    interval: str
    history: int = 0

    @property
    def interval_ns(self) -> int:
        """The interval in nanoseconds."""
        return span_ns(self.interval)


class Funding(msgspec.Struct, frozen=True):
    """Wake at every funding settlement: `on_funding`."""


class Timer(msgspec.Struct, frozen=True):
    """Wake every `every` of engine time, on its whole multiples: `on_timer(name)`."""

    name: str
    every: str

    @property
    def every_ns(self) -> int:
        """The period in nanoseconds."""
        return span_ns(self.every)


Subscription = Books | Quotes | Trades | Bars | Funding | Timer


class Warmup(msgspec.Struct, frozen=True):
    """What must have been seen before `on_start`.

    So many bars of every subscribed interval, or so much time, or both. No handler runs and no
    order leaves before.
    """

    bars: int = 0
    span: str = ""

    @property
    def span_ns(self) -> int:
        """The span in nanoseconds; 0 when none is asked."""
        return span_ns(self.span) if self.span else 0
