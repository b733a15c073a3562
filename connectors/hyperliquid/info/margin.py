"""The venue's own account arithmetic, exact: what its account answers must add up to.

Protocol 1.2 and 7.1, on the decimals of an answer as Decimals, so that a total can be compared to
the digit. Sizes in base units, everything else in USD.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

import msgspec

from connectors.hyperliquid.info.account import ClearinghouseState, IsolatedLeverage, Position

ZERO: Final = Decimal(0)


class Totals(msgspec.Struct, frozen=True):
    """What a margin summary says, worked out from the positions."""

    account_value: Decimal
    total_ntl_pos: Decimal
    total_margin_used: Decimal


def signed_value(position: Position) -> Decimal:
    """A position's value at the mark, negative when short."""
    value = Decimal(position.position_value)
    return -value if Decimal(position.szi) < 0 else value


def totals(state: ClearinghouseState) -> Totals:
    """The totals of `margin_summary` from its `total_raw_usd` and the positions."""
    positions = [held.position for held in state.asset_positions]
    return _totals(Decimal(state.margin_summary.total_raw_usd), positions)


def cross_totals(state: ClearinghouseState) -> Totals:
    """The totals of `cross_margin_summary`, likewise, from the positions that are not isolated."""
    positions = [
        held.position
        for held in state.asset_positions
        if not isinstance(held.position.leverage, IsolatedLeverage)
    ]
    return _totals(Decimal(state.cross_margin_summary.total_raw_usd), positions)


def isolated_margin(position: Position) -> Decimal:
    """The margin of an isolated position: its raw USD plus its signed value; 0 for a cross one."""
    leverage = position.leverage
    if not isinstance(leverage, IsolatedLeverage):
        return ZERO
    return Decimal(leverage.raw_usd) + signed_value(position)


def maintenance_margin(value: Decimal, tiers: Sequence[tuple[Decimal, int]]) -> Fraction:
    """The maintenance margin of a position of this unsigned value.

    `tiers` are (lower bound, max leverage), the first bound 0. A tier's rate is half the initial
    margin at its leverage; the deduction makes the sum continuous at every bound.
    """
    rate, deduction = _tier_at(Fraction(value), tiers)
    return Fraction(value) * rate - deduction


def liquidation_price(
    szi: Decimal,
    mark_px: Decimal,
    margin: Decimal,
    tiers: Sequence[tuple[Decimal, int]],
    *,
    maintenance_elsewhere: Fraction = Fraction(0),
) -> Fraction | None:
    """The mark price at which the margin falls to the maintenance margin; None when none is > 0.

    price - side * available / |szi| / (1 - rate * side), the rate and deduction of the tier that
    holds at the result (protocol 7.1). `margin` is the margin that backs the position with its
    unrealised profit: of an isolated position its `margin_used`, of a cross one the cross account
    value; then `maintenance_elsewhere` is what the other cross positions need. `szi` must not be 0.
    """
    side = 1 if szi > 0 else -1
    size, mark = abs(Fraction(szi)), Fraction(mark_px)
    for rate, deduction in _tier_rates(tiers):
        # Margin at a price less maintenance there is zero; it is linear within one tier.
        available = Fraction(margin) - maintenance_elsewhere - (size * mark * rate - deduction)
        price = mark - side * available / size / (1 - rate * side)
        if price > 0 and _tier_at(size * price, tiers) == (rate, deduction):
            return price
    return None


def _totals(raw_usd: Decimal, positions: Iterable[Position]) -> Totals:
    account_value, notional, margin_used = raw_usd, ZERO, ZERO
    for position in positions:
        account_value += signed_value(position)
        notional += Decimal(position.position_value)
        margin_used += Decimal(position.margin_used)
    return Totals(account_value, notional, margin_used)


def _tier_rates(tiers: Sequence[tuple[Decimal, int]]) -> list[tuple[Fraction, Fraction]]:
    """(maintenance rate, deduction) of every tier."""
    rates: list[tuple[Fraction, Fraction]] = []
    for lower_bound, leverage_max in tiers:
        rate = Fraction(1, 2 * leverage_max)
        before, deduction = rates[-1] if rates else (rate, Fraction(0))
        rates.append((rate, deduction + Fraction(lower_bound) * (rate - before)))
    return rates


def _tier_at(value: Fraction, tiers: Sequence[tuple[Decimal, int]]) -> tuple[Fraction, Fraction]:
    rates = _tier_rates(tiers)
    index = max(i for i, (lower_bound, _) in enumerate(tiers) if value >= Fraction(lower_bound))
    return rates[index]
