"""The core's facts in Perpex's JSON (protocol 9.4): decimals as strings, times in ms UTC.

An order keeps the id and the client id it has at the venue, whichever face it came through.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Final

from backtests.exchange import words
from connectors.simulated.accounts import VenueAccount
from connectors.simulated.candles import Candle
from connectors.simulated.core import VenueCore
from connectors.simulated.history import FillRow
from connectors.simulated.numbers import printed, printed_money, printed_rate, printed_ratio
from connectors.simulated.orders import CANCELED, FILLED, OPEN, TRIGGERED, OrderRecord
from connectors.simulated.perpex.errors import code_of
from connectors.simulated.publicdata import Level, PublicData, PublicTrade
from connectors.simulated.reading import PositionReading
from engine.model.instruments import Instrument
from engine.model.units import (
    MONEY_DECIMALS,
    NS_PER_HOUR,
    NS_PER_MS,
    PPB,
    Tif,
    TriggerKind,
    rate_ppb,
)

Json = dict[str, Any]
QUOTE: Final = "USDC"
EXPIRED: Final = "expired"
REJECTED: Final = "rejected"
LIQUIDATION_DECIMALS: Final = 8
RATIO_DECIMALS: Final = 6
_HOUR_MS: Final = NS_PER_HOUR // NS_PER_MS


def side_word(side: int) -> str:
    """Buy or sell."""
    return "buy" if side > 0 else "sell"


# -- the market ------------------------------------------------------------------------------------


def market(core: VenueCore, data: PublicData) -> Json:
    """One row of GET /markets."""
    one = data.instrument
    context = data.desk.market.context
    mid_ticks2 = data.mid_ticks2()
    now_ms = core.clock.now_ms()
    volume_e8, _ = data.day_volume(now_ms)
    return {
        "symbol": one.coin,
        "base": one.coin,
        "quote": QUOTE,
        "status": "delisted" if one.is_delisted else "active",
        # Prices go by significant figures here: no one tick would be true.
        "price_tick": None,
        "size_step": printed(1, one.sz_decimals) if one.sz_decimals else "1",
        "sz_decimals": one.sz_decimals,
        "min_notional": printed_money(one.min_notional_e8),
        "max_leverage": one.leverage_max,
        "only_isolated": one.margin_mode != "cross",
        "mark_price": half_price(one, data.desk.market.mark_ticks2()),
        "oracle_price": half_price(one, data.desk.market.oracle_ticks2()),
        "mid_price": half_price(one, mid_ticks2) if mid_ticks2 else None,
        "funding_rate": printed_rate(0 if context is None else rate_ppb(context.funding_rate)),
        "next_funding_time": (now_ms // _HOUR_MS + 1) * _HOUR_MS,
        "open_interest": printed_ratio(
            0 if context is None else context.open_interest, one.sz_decimals
        ),
        "volume_24h": printed_money(volume_e8),
    }


def price(instrument: Instrument, px_ticks: int) -> str:
    """A price."""
    return printed(px_ticks, instrument.px_decimals)


def half_price(instrument: Instrument, ticks2: int) -> str:
    """A price of which twice the ticks are known."""
    return printed(5 * ticks2, instrument.px_decimals + 1)


def size(instrument: Instrument, lots: int) -> str:
    """A size, with its sign."""
    return printed(lots, instrument.sz_decimals)


def levels(instrument: Instrument, side: Sequence[Level]) -> list[list[str]]:
    """One side of a book."""
    return [[price(instrument, one.px_ticks), size(instrument, one.sz_lots)] for one in side]


def print_of(trade: PublicTrade) -> Json:
    """A public trade."""
    return {
        "id": str(trade.tid),
        "price": price(trade.instrument, trade.px_ticks),
        "size": size(trade.instrument, trade.sz_lots),
        "side": side_word(trade.side),
        "time": trade.time_ms,
    }


def candle(instrument: Instrument, interval: str, one: Candle, *, closed: bool) -> Json:
    """A candle, forming or closed; `close_time` is its last millisecond."""
    return {
        "open_time": one.open_ms,
        "close_time": one.close_ms,
        "interval": interval,
        "open": price(instrument, one.open),
        "high": price(instrument, one.high),
        "low": price(instrument, one.low),
        "close": price(instrument, one.close),
        "volume": size(instrument, one.lots),
        "trades": one.trades,
        "closed": closed,
    }


# -- the account -----------------------------------------------------------------------------------


def account(core: VenueCore, who: VenueAccount, *, lists_orders: bool) -> Json:
    """GET /account."""
    reading = core.reading(who)
    available = printed_money(max(0, reading.free_e8))
    view: Json = {
        "time": core.clock.now_ms(),
        "equity": printed_money(reading.equity_e8),
        "available": available,
        "margin_used": printed_money(reading.margin_used_e8),
        "maintenance_margin": printed_money(sum([one.maintenance_e8 for one in reading.positions])),
        "balances": [
            {"asset": QUOTE, "total": printed_money(reading.cash_e8), "available": available}
        ],
        "positions": [position(core, who, one) for one in reading.positions],
    }
    if lists_orders:
        view["open_orders"] = [order(record) for record in who.live()]
    return view


def position(core: VenueCore, who: VenueAccount, one: PositionReading) -> Json:
    """An open position."""
    instrument = one.instrument
    entry = Fraction(one.cost_e8, one.lots) / 10 ** (MONEY_DECIMALS - instrument.sz_decimals)
    liquidation = one.liquidation_px
    return _position(core, who, instrument) | {
        "size": size(instrument, one.lots),
        "entry_price": printed_ratio(entry, instrument.px_decimals),
        "leverage": str(one.leverage),
        "margin_mode": "cross" if one.is_cross else "isolated",
        "margin_used": printed_money(one.margin_e8),
        "unrealized_pnl": printed_money(one.unrealised_e8),
        "liquidation_price": None
        if liquidation is None
        else printed_ratio(liquidation, LIQUIDATION_DECIMALS),
        "funding_paid": printed_money(who.history.holding(instrument.id).funding_open_e8),
    }


def flat_position(core: VenueCore, who: VenueAccount, instrument: Instrument) -> Json:
    """A position that is closed."""
    held = core.exchange.position_on(who.name, instrument.id)
    return _position(core, who, instrument) | {
        "size": "0",
        "entry_price": "0.0",
        "leverage": str(held.leverage),
        "margin_mode": "cross" if held.is_cross else "isolated",
        "margin_used": "0.0",
        "unrealized_pnl": "0.0",
        "liquidation_price": None,
        "funding_paid": None,
    }


def warning(core: VenueCore, one: PositionReading, ratio_ppb: int) -> Json:
    """A liquidation alert: how near the position is to its end."""
    instrument, liquidation = one.instrument, one.liquidation_px
    return {
        "symbol": instrument.coin,
        "margin_ratio": printed_ratio(Fraction(ratio_ppb, PPB), RATIO_DECIMALS),
        "liquidation_price": None
        if liquidation is None
        else printed_ratio(liquidation, LIQUIDATION_DECIMALS),
        "mark_price": half_price(instrument, core.exchange.mark_ticks2(instrument.id)),
        "size": size(instrument, one.lots),
    }


def _position(core: VenueCore, who: VenueAccount, instrument: Instrument) -> Json:
    held = core.exchange.position_on(who.name, instrument.id)
    return {
        "symbol": instrument.coin,
        "mark_price": half_price(instrument, core.exchange.mark_ticks2(instrument.id)),
        "realized_pnl": printed_money(held.realised_e8),
        "updated_at": _changed_ms(who, instrument),
    }


def _changed_ms(who: VenueAccount, instrument: Instrument) -> int:
    """When a fill last changed a position."""
    rows = reversed(who.history.fills)
    return next((row.time_ms for row in rows if row.instrument.id == instrument.id), who.opened_ms)


# -- orders and fills ------------------------------------------------------------------------------


def order(record: OrderRecord) -> Json:
    """An order; `size` is the original one."""
    new, instrument = record.new, record.new.instrument
    trigger = new.trigger
    filled = record.filled_lots
    average = None
    if filled:
        ratio = Fraction(record.filled_e8, filled) / 10 ** (MONEY_DECIMALS - instrument.sz_decimals)
        average = printed_ratio(ratio, MONEY_DECIMALS)
    status = order_status(record)
    return {
        "id": str(record.oid),
        "client_order_id": new.cloid,
        "symbol": instrument.coin,
        "side": side_word(new.side),
        "type": order_type(record),
        "size": size(instrument, record.size_lots),
        "filled_size": size(instrument, filled),
        "average_price": average,
        "price": price(instrument, new.px_ticks),
        "trigger_price": None if trigger is None else price(instrument, trigger.px_ticks),
        "time_in_force": new.tif.lower(),
        "reduce_only": new.reduce_only,
        "status": status,
        "reject_code": code_of(record.error) if status == REJECTED else None,
        "created_at": record.placed_ms,
        "updated_at": record.status_ms,
    }


def order_type(record: OrderRecord) -> str:
    """The type an order was placed with; a waiting market order of the other face is one too."""
    trigger = record.new.trigger
    if trigger is None:
        return "market" if record.new.is_market else "limit"
    kind = "stop" if trigger.kind is TriggerKind.STOP_LOSS else "take_profit"
    return f"{kind}_{'market' if trigger.is_market else 'limit'}"


def order_status(record: OrderRecord) -> str:
    """The status word; what is left of an IOC order has expired."""
    if record.error:
        return EXPIRED if record.error == words.IOC else REJECTED
    if record.status in {OPEN, FILLED, TRIGGERED}:
        return record.status
    is_over_at_once = record.new.tif is Tif.IOC and record.new.trigger is None
    return EXPIRED if is_over_at_once else CANCELED


def fill(row: FillRow) -> Json:
    """One row of GET /trades."""
    instrument = row.instrument
    return {
        "id": str(row.tid),
        "order_id": str(row.oid),
        "client_order_id": row.cloid,
        "symbol": instrument.coin,
        "side": side_word(row.side),
        "price": price(instrument, row.px_ticks),
        "size": size(instrument, row.sz_lots),
        "fee": printed_money(row.fee_e8),
        "fee_asset": QUOTE,
        "liquidity": "maker" if row.is_maker else "taker",
        "realized_pnl": printed_money(row.realised_e8),
        "time": row.time_ms,
    }
