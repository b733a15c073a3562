"""An account's money as the venue states it, from the exchange's own integers (protocol 1.2, 7.1).

Everything is in 1e-8 and exact, but for the liquidation price. Two identities hold: equity = cash +
unrealised profit, and equity = raw USD + signed value of the positions. The exchange margins
everything as cross; an isolated position is shown with the collateral its leverage asks for.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import msgspec

from backtests.exchange import SimulatedExchange
from backtests.exchange.ledger import Position
from backtests.exchange.margin import equity_e8, free_e8
from engine.model.instruments import Instrument, MarginTier
from engine.model.units import ceil_div

_HELD_BACK: Final = 10  # a tenth of the positions' notional cannot be withdrawn


class PositionReading(msgspec.Struct, frozen=True, kw_only=True):
    """One open position. `value_e8` has the position's sign; `margin_e8` is what it uses.

    `liquidation_px` is None when there is none above zero.
    """

    instrument: Instrument
    lots: int
    cost_e8: int
    value_e8: int
    unrealised_e8: int
    leverage: int
    is_cross: bool
    margin_e8: int
    maintenance_e8: int
    liquidation_px: Fraction | None

    @property
    def raw_usd_e8(self) -> int:
        """An isolated position's collateral less what the position cost."""
        return self.margin_e8 - self.value_e8


class AccountReading(msgspec.Struct, frozen=True, kw_only=True):
    """One account at one moment; `cross_*` leave isolated positions out."""

    cash_e8: int
    equity_e8: int
    free_e8: int
    withdrawable_e8: int
    margin_used_e8: int
    notional_e8: int
    value_e8: int
    cross_equity_e8: int
    cross_margin_used_e8: int
    cross_notional_e8: int
    cross_value_e8: int
    cross_maintenance_e8: int
    positions: tuple[PositionReading, ...]


def read_account(exchange: SimulatedExchange, name: str) -> AccountReading:
    """The account as it stands, at the present marks."""
    account = exchange.account(name)
    equity = equity_e8(account)
    held = [position for position in account.positions.values() if position.lots]
    isolated_e8 = sum([_margin_e8(one) for one in held if not one.is_cross])
    cross_equity = equity - isolated_e8
    maintenance = {
        id(one): maintenance_e8(exchange.desk(one.instrument).instrument, abs(_value_e8(one)))
        for one in held
    }
    cross_maintenance = sum([maintenance[id(one)] for one in held if one.is_cross])
    positions = []
    for one in held:
        margin_e8 = _margin_e8(one)
        if one.is_cross:
            margin_e8 = cross_equity - cross_maintenance + maintenance[id(one)]
        instrument = exchange.desk(one.instrument).instrument
        mark = Fraction(one.market.mark_ticks2(), 2 * one.market.px_scale)
        positions.append(
            PositionReading(
                instrument=instrument,
                lots=one.lots,
                cost_e8=one.cost_e8,
                value_e8=_value_e8(one),
                unrealised_e8=one.unrealised_e8(),
                leverage=one.leverage,
                is_cross=one.is_cross,
                margin_e8=_margin_e8(one),
                maintenance_e8=maintenance[id(one)],
                liquidation_px=liquidation_px(
                    instrument, one.lots, mark, Fraction(margin_e8, 10**8)
                ),
            )
        )
    return _totals(account.cash_e8, equity, free_e8(account), cross_maintenance, positions)


def _totals(
    cash_e8: int,
    equity: int,
    free: int,
    cross_maintenance_e8: int,
    positions: list[PositionReading],
) -> AccountReading:
    cross = [one for one in positions if one.is_cross]
    isolated = [one for one in positions if not one.is_cross]
    cross_equity_e8 = equity - sum([one.margin_e8 for one in isolated])
    cross_notional_e8 = sum([abs(one.value_e8) for one in cross])
    # What the exchange does not call free is initial margin of positions and resting orders.
    initial_e8 = equity - free
    initial_e8 -= sum([ceil_div(abs(one.value_e8), one.leverage) for one in isolated])
    needed_e8 = max(initial_e8, ceil_div(cross_notional_e8, _HELD_BACK))
    return AccountReading(
        cash_e8=cash_e8,
        equity_e8=equity,
        free_e8=free,
        withdrawable_e8=max(0, cross_equity_e8 - needed_e8),
        margin_used_e8=sum([one.margin_e8 for one in positions]),
        notional_e8=sum([abs(one.value_e8) for one in positions]),
        value_e8=sum([one.value_e8 for one in positions]),
        cross_equity_e8=cross_equity_e8,
        cross_margin_used_e8=sum([one.margin_e8 for one in cross]),
        cross_notional_e8=cross_notional_e8,
        cross_value_e8=sum([one.value_e8 for one in cross]),
        cross_maintenance_e8=cross_maintenance_e8,
        positions=tuple(positions),
    )


def maintenance_e8(instrument: Instrument, notional_e8: int) -> int:
    """Maintenance margin: half of what each tier's largest leverage asks, tier by tier.

    The same as notional x rate - deduction of protocol 7.1, rounded up.
    """
    needed = Fraction(0)
    for tier, upper_e8 in _bands(instrument.margin_tiers):
        part_e8 = min(notional_e8, upper_e8) - tier.lower_bound_e8
        if part_e8 <= 0:
            break
        needed += Fraction(part_e8, 2 * tier.leverage_max)
    return ceil_div(needed.numerator, needed.denominator)


def _bands(tiers: tuple[MarginTier, ...]) -> list[tuple[MarginTier, int]]:
    uppers = [tier.lower_bound_e8 for tier in tiers[1:]]
    return list(zip(tiers, [*uppers, 1 << 100], strict=True))


def liquidation_px(
    instrument: Instrument, lots: int, mark: Fraction, margin: Fraction
) -> Fraction | None:
    """Where what backs a position falls to its maintenance, at the rate of the tier there.

    `margin` (USD) is what backs it beyond the maintenance of everything else that it backs. None
    when there is no such price above zero.
    """
    side = 1 if lots > 0 else -1
    sz = Fraction(abs(lots), 10**instrument.sz_decimals)
    for tier, upper_e8 in _bands(instrument.margin_tiers):
        rate = Fraction(1, 2 * tier.leverage_max)
        # The margin falls by side x move x size; maintenance is price x size x rate - deduction.
        held = margin + _deduction(instrument.margin_tiers, tier) - mark * sz * rate
        px = mark - side * held / sz / (1 - rate * side)
        if tier.lower_bound_e8 <= px * sz * 10**8 < upper_e8:
            return px if px > 0 else None
    return None


def _deduction(tiers: tuple[MarginTier, ...], wanted: MarginTier) -> Fraction:
    total, before = Fraction(0), Fraction(0)
    for tier in tiers:
        rate = Fraction(1, 2 * tier.leverage_max)
        if tier is not tiers[0]:
            total += Fraction(tier.lower_bound_e8, 10**8) * (rate - before)
        before = rate
        if tier is wanted:
            break
    return total


def _value_e8(one: Position) -> int:
    return one.market.value_e8(one.lots, one.market.mark_ticks2())


def _margin_e8(one: Position) -> int:
    """Initial margin at the mark (cross), or the collateral and what the position gained."""
    if one.is_cross:
        return ceil_div(abs(_value_e8(one)), one.leverage)
    return ceil_div(abs(one.cost_e8), one.leverage) + one.unrealised_e8()
