"""What a strategy may read: the read-only view, as protocols that the engine's state meets.

Everything is worked out when it is asked for. Money is in the account's collateral token, sizes in
base units, prices in quote units.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from engine.model.events import AssetContext, Bar, BookTop, Quote, Trade
from engine.model.instruments import Instrument
from engine.model.orders import OrderState
from engine.model.units import Side, TriggerKind


class PositionView(Protocol):
    """A position: signed size, average entry price (0 when flat), money in the collateral token."""

    @property
    def sz(self) -> float: ...  # noqa: D102 - named by the class
    @property
    def entry_px(self) -> float: ...  # noqa: D102
    @property
    def realised(self) -> float: ...  # noqa: D102
    @property
    def fees(self) -> float: ...  # noqa: D102
    @property
    def funding(self) -> float: ...  # noqa: D102


class OrderView(Protocol):
    """An order of this strategy as the engine knows it.

    `px` is the limit; of a trigger order what it may reach once `trigger_px` has been.
    """

    @property
    def cloid(self) -> str: ...  # noqa: D102
    @property
    def side(self) -> Side: ...  # noqa: D102
    @property
    def state(self) -> OrderState: ...  # noqa: D102
    @property
    def px(self) -> float: ...  # noqa: D102
    @property
    def sz(self) -> float: ...  # noqa: D102
    @property
    def filled_sz(self) -> float: ...  # noqa: D102
    @property
    def quote(self) -> str: ...  # noqa: D102
    @property
    def reduce_only(self) -> bool: ...  # noqa: D102
    @property
    def trigger_px(self) -> float | None: ...  # noqa: D102
    @property
    def trigger_kind(self) -> TriggerKind | None: ...  # noqa: D102
    @property
    def is_live(self) -> bool: ...  # noqa: D102


class BookView(Protocol):
    """A whole book, best levels first, as (price, size) pairs."""

    def bids(self, depth: int = 20) -> list[tuple[float, float]]: ...  # noqa: D102
    def asks(self, depth: int = 20) -> list[tuple[float, float]]: ...  # noqa: D102


class AccountView(Protocol):
    """The strategy's account: equity, margin used and free margin in the collateral token."""

    @property
    def equity(self) -> float: ...  # noqa: D102
    @property
    def margin_used(self) -> float: ...  # noqa: D102
    @property
    def free_margin(self) -> float: ...  # noqa: D102


class View(Protocol):
    """Everything a strategy may read, computed when it is asked for."""

    @property
    def now_ns(self) -> int:
        """The engine's time: the local stamp of the event being handled."""
        ...

    @property
    def account(self) -> AccountView:
        """The account this strategy trades; of several, the first."""
        ...

    def account_at(self, instrument: str) -> AccountView:
        """The account this strategy trades an instrument on."""
        ...

    def instrument(self, instrument: str) -> Instrument:
        """The instrument's metadata."""
        ...

    def quote(self, instrument: str) -> Quote | None:
        """The last quote."""
        ...

    def top(self, instrument: str) -> BookTop | None:
        """The last top of book."""
        ...

    def book(self, instrument: str) -> BookView:
        """The whole book."""
        ...

    def trade(self, instrument: str) -> Trade | None:
        """The last trade."""
        ...

    def context(self, instrument: str) -> AssetContext | None:
        """The last mark, oracle, funding rate and open interest."""
        ...

    def bars(self, instrument: str, interval: str) -> Sequence[Bar]:
        """The last closed bars, oldest first, as many as the subscription's history keeps."""
        ...

    def mark_px(self, instrument: str) -> float | None:
        """The mark price; where the venue sends none, the mid, the last trade or the last close."""
        ...

    def position(self, instrument: str) -> PositionView:
        """This strategy's own position."""
        ...

    def net_position(self, instrument: str) -> PositionView:
        """The account's position: all strategies and `external` together."""
        ...

    def order(self, cloid: str) -> OrderView | None:
        """One order by its client order id."""
        ...

    def orders(self, instrument: str) -> list[OrderView]:
        """This strategy's live orders on an instrument, in flight and unknown ones too."""
        ...

    def quote_order(self, instrument: str, quote: str) -> OrderView | None:
        """The live order of one named quote."""
        ...
