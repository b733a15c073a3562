"""Instruments from /markets, completed by an assumption: Hyperliquid's public metadata of the coin.

The gateway forwards to the same book, so margin tables, caps and precision that it lacks are taken
from there. Where both say something the stricter wins, a mark that differs by more than 1 % means
that they are not the same market after all, and what nobody knows is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, localcontext
from typing import Final, Protocol

import msgspec

from connectors.perpex.mapping.names import MarketStatus
from connectors.perpex.mapping.settings import PerpexSettings
from connectors.perpex.mapping.wire import MarketWire
from connectors.perpex.numbers import money_e8
from engine.errors import ModelError, VenueError
from engine.model.instruments import (
    MIN_NOTIONAL_HL_E8,
    PX_DECIMALS_TOTAL_HL,
    Instrument,
    MarginTier,
)
from engine.model.units import MONEY_DECIMALS

MARK_DIFFERENCE_MAX: Final = 0.01
LEVERAGE_MAX: Final = 1_000
_DECIMALS_MAX: Final = 12
_PRECISION: Final = 100


class PublicReference(Protocol):
    """What is publicly known of the same coins on Hyperliquid."""

    async def instruments(self) -> Mapping[str, Instrument]:
        """Instruments by coin. Raises TransportError or VenueError."""
        ...

    async def marks(self) -> Mapping[str, float]:
        """Mark prices by coin. Raises TransportError or VenueError."""
        ...


class Metadata(msgspec.Struct, frozen=True):
    """What was made of /markets.

    `blocked` says, by instrument id, why nothing new may be opened there; `notes` what is assumed
    or unknown; `left_out` the symbols that could not be made into an instrument, and why.
    """

    instruments: tuple[Instrument, ...]
    blocked: dict[str, str]
    notes: tuple[str, ...]
    left_out: dict[str, str]


def build_metadata(
    venue: str,
    markets: Sequence[MarketWire],
    assumed: Mapping[str, Instrument],
    marks: Mapping[str, float],
    settings: PerpexSettings,
) -> Metadata:
    """Every market as an instrument of `venue`."""
    instruments: dict[str, Instrument] = {}
    blocked: dict[str, str] = {}
    notes: list[str] = []
    left_out: dict[str, str] = {}
    for market in markets:
        coin = settings.coin(market.symbol)
        known = assumed.get(coin)
        try:
            instrument = merge(venue, coin, market, known)
        except (VenueError, ModelError) as error:
            left_out[market.symbol] = str(error)
            continue
        if instrument.id in instruments:
            left_out[market.symbol] = f"{instrument.id} is listed twice"
            continue
        instruments[instrument.id] = instrument
        if known is None:
            notes.append(f"{instrument.id}: margin tiers and precision are the gateway's own only")
        elif coin not in marks or market.mark_price is None:
            notes.append(f"{instrument.id}: its mark could not be compared")
        reason = block_reason(market, known, marks.get(coin))
        if reason:
            blocked[instrument.id] = reason
    return Metadata(tuple(instruments.values()), blocked, tuple(notes), left_out)


def merge(venue: str, coin: str, market: MarketWire, known: Instrument | None) -> Instrument:
    """One market, completed by what is known of the coin; the stricter of the two wins.

    Raises VenueError when neither says how fine sizes are or what leverage is allowed, ModelError
    for an instrument that cannot be.
    """
    sz_decimals = _sz_decimals(market, known)
    px_decimals = _px_decimals(market, known, sz_decimals)
    least_e8 = MIN_NOTIONAL_HL_E8 if known is None else known.min_notional_e8
    if market.min_notional is not None:
        stated_e8 = money_e8(market.min_notional)
        least_e8 = stated_e8 if known is None else max(least_e8, stated_e8)
    is_isolated = bool(market.only_isolated)
    mode = "cross" if known is None else known.margin_mode
    return Instrument(
        id=f"{venue}:{coin}",
        venue=venue,
        coin=coin,
        dex=coin.split(":", 1)[0] if ":" in coin else "",
        px_decimals=px_decimals,
        sz_decimals=sz_decimals,
        margin_tiers=_tiers(market, known),
        min_notional_e8=least_e8,
        margin_mode="noCross" if is_isolated and mode == "cross" else mode,
        is_delisted=market.status.lower() == MarketStatus.DELISTED
        or (known is not None and known.is_delisted),
    )


def block_reason(market: MarketWire, known: Instrument | None, mark: float | None) -> str:
    """Why nothing new may be opened on a market; empty when nothing speaks against it."""
    status = market.status.lower()
    if status not in {MarketStatus.ACTIVE, MarketStatus.DELISTED}:
        return f"status {market.status[:32]}"
    if known is None or mark is None or market.mark_price is None:
        return ""
    difference = abs(float(market.mark_price) - mark)
    if mark > 0 and difference <= MARK_DIFFERENCE_MAX * mark:
        return ""
    return f"mark {market.mark_price} differs from {mark:g} by more than 1 %"


def _sz_decimals(market: MarketWire, known: Instrument | None) -> int:
    options = [] if known is None else [known.sz_decimals]
    if market.sz_decimals is not None:
        options.append(market.sz_decimals)
    if market.size_step is not None:
        options.append(_decimals(market.size_step, "size_step"))
    if not options:
        raise VenueError(f"perpex: {market.symbol}: nobody says how fine sizes are")
    if min(options) < 0:
        raise VenueError(f"perpex: {market.symbol}: sz_decimals {min(options)}, expected 0 or more")
    return min(options)


def _px_decimals(market: MarketWire, known: Instrument | None, sz_decimals: int) -> int:
    options = [MONEY_DECIMALS - sz_decimals]
    if known is not None:
        options.append(known.px_decimals)
    if market.price_tick is not None:
        options.append(_decimals(market.price_tick, "price_tick"))
    elif known is None:
        options.append(PX_DECIMALS_TOTAL_HL - sz_decimals)
    if min(options) < 0:
        raise VenueError(f"perpex: {market.symbol}: prices coarser than 1, expected decimals")
    return min(options)


def _decimals(step: Decimal, what: str) -> int:
    """The most decimals with which every number is a multiple of `step`."""
    if step > 0:
        with localcontext(prec=_PRECISION):
            for decimals in range(_DECIMALS_MAX, -1, -1):
                if Decimal(1).scaleb(-decimals) % step == 0:
                    return decimals
    raise VenueError(f"perpex: {what} {step}, expected a step that divides 1")


def _tiers(market: MarketWire, known: Instrument | None) -> tuple[MarginTier, ...]:
    stated = 0
    if market.max_leverage is not None:
        stated = int(market.max_leverage)
        if not 1 <= stated <= LEVERAGE_MAX:
            raise VenueError(f"perpex: {market.symbol}: max_leverage {market.max_leverage}")
    if known is None:
        if not stated:
            raise VenueError(f"perpex: {market.symbol}: nobody says what leverage is allowed")
        return (MarginTier(0, stated),)
    return tuple(
        MarginTier(tier.lower_bound_e8, min(tier.leverage_max, stated or tier.leverage_max))
        for tier in known.margin_tiers
    )
