"""What a strategy may ask for, in floats; the gate puts them on the grid or refuses.

An intent that opens an order carries the client order id it will have (`Strategy.limit` and its
sisters take it from the engine), so a strategy can name the order before the venue has seen it.
`instrument` is an `Instrument.id`.
"""

from __future__ import annotations

import msgspec

from engine.model.units import Side, Tif, TriggerKind


class Intent(msgspec.Struct, frozen=True, gc=False, tag_field="type"):
    """The base of every intent."""

    instrument: str


class PlaceLimit(Intent, frozen=True, gc=False, tag=True):
    """A limit order: `Tif.ALO` only makes, `Tif.IOC` only takes, `Tif.GTC` may do both.

    With `quote` set, the order is the strategy's wish for that quote: of several wishes for one
    quote in one step the newest wins; a live order of that quote is moved (one modify) rather than
    doubled, and left alone when it already is what is wished. The cloid is then used only if a new
    order opens.
    """

    cloid: str
    side: Side
    px: float
    sz: float
    tif: Tif = Tif.GTC
    reduce_only: bool = False
    quote: str = ""


class PlaceMarket(Intent, frozen=True, gc=False, tag=True):
    """Take now: an IOC limited to `slippage` (a fraction) beyond the reference price."""

    cloid: str
    side: Side
    sz: float
    reduce_only: bool = False
    slippage: float = 0.01


class PlaceTrigger(Intent, frozen=True, gc=False, tag=True):
    """Wait until the mark reaches `trigger_px`, then take, or rest at `limit_px` if given."""

    cloid: str
    side: Side
    sz: float
    trigger_px: float
    kind: TriggerKind
    limit_px: float | None = None
    reduce_only: bool = True
    slippage: float = 0.1


class PlaceBracket(Intent, frozen=True, gc=False, tag=True):
    """An entry with its protection: the children wait for its fill, and one cancels the other.

    All of it goes out, or none. A child is never larger than the entry.
    """

    entry: PlaceLimit | PlaceMarket
    stop_loss: PlaceTrigger | None = None
    take_profit: PlaceTrigger | None = None


class Cancel(Intent, frozen=True, gc=False, tag=True):
    """Cancel one order."""

    cloid: str


class Modify(Intent, frozen=True, gc=False, tag=True):
    """Move a resting order to a new price and a new *remaining* size, as one action."""

    cloid: str
    px: float
    sz: float


class CancelAll(Intent, frozen=True, gc=False, tag=True):
    """Cancel every order of this strategy on the instrument."""


class TargetPosition(Intent, frozen=True, gc=False, tag=True):
    """Bring this strategy's position to `sz` (signed) by a market order, pending orders counted."""

    cloid: str
    sz: float
    slippage: float = 0.01


class ClosePosition(Intent, frozen=True, gc=False, tag=True):
    """Close this strategy's position by a reduce-only market order."""

    cloid: str
    slippage: float = 0.05


class CancelQuote(Intent, frozen=True, gc=False, tag=True):
    """Cancel the live order of one quote of this strategy, if there is one."""

    quote: str


class WakeAt(Intent, frozen=True, gc=False, tag=True):
    """Call `on_timer(name)` at `at_ns`. Passes no check: it reaches no venue."""

    name: str
    at_ns: int


class SetLeverage(Intent, frozen=True, gc=False, tag=True):
    """Set the account's leverage for the instrument."""

    leverage: int
    is_cross: bool = True


AnyIntent = (
    PlaceLimit
    | PlaceMarket
    | PlaceTrigger
    | PlaceBracket
    | Cancel
    | Modify
    | CancelAll
    | TargetPosition
    | ClosePosition
    | CancelQuote
    | WakeAt
    | SetLeverage
)
