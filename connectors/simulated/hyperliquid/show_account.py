"""An account's facts in the venue's JSON: state, orders, fills, fundings (protocol 1.2, 1.4).

Made from the exchange's own integers. None stands for an address without an account here.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from connectors.simulated.accounts import VenueAccount
from connectors.simulated.core import VenueCore
from connectors.simulated.history import FillRow, FundingRow, LedgerRow
from connectors.simulated.hyperliquid.show_market import (
    half_px_text,
    px_text,
    side_text,
    sz_text,
)
from connectors.simulated.ids import NO_HASH
from connectors.simulated.numbers import printed, printed_money, printed_rate, printed_ratio
from connectors.simulated.orders import OrderRecord
from connectors.simulated.reading import AccountReading, PositionReading
from engine.model.instruments import Instrument
from engine.model.units import PPB, TriggerKind

Json = dict[str, Any]
ROE_DECIMALS: Final = 10
LIQUIDATION_DECIMALS: Final = 8


# -- money and positions ---------------------------------------------------------------------------


def clearinghouse_state(core: VenueCore, account: VenueAccount | None) -> Json:
    """The account on the main dex; a coin that is not listed is flat."""
    reading = core.reading(account)
    return {
        "marginSummary": _summary(
            reading.equity_e8, reading.notional_e8, reading.value_e8, reading.margin_used_e8
        ),
        "crossMarginSummary": _summary(
            reading.cross_equity_e8,
            reading.cross_notional_e8,
            reading.cross_value_e8,
            reading.cross_margin_used_e8,
        ),
        "crossMaintenanceMarginUsed": printed_money(reading.cross_maintenance_e8),
        "withdrawable": printed_money(reading.withdrawable_e8),
        "assetPositions": [
            {"type": "oneWay", "position": _position(account, one)}
            for one in reading.positions
            if account is not None
        ],
        "time": core.clock.now_ms(),
    }


def empty_state(core: VenueCore) -> Json:
    """The same of somebody who has nothing there."""
    return clearinghouse_state(core, None)


def _summary(equity_e8: int, notional_e8: int, value_e8: int, used_e8: int) -> Json:
    return {
        "accountValue": printed_money(equity_e8),
        "totalNtlPos": printed_money(notional_e8),
        "totalRawUsd": printed_money(equity_e8 - value_e8),
        "totalMarginUsed": printed_money(used_e8),
    }


def _position(account: VenueAccount, one: PositionReading) -> Json:
    holding = account.history.holding(one.instrument.id)
    instrument = one.instrument
    initial = Fraction(abs(one.cost_e8), one.leverage)
    entry = Fraction(one.cost_e8, one.lots) / 10 ** (8 - instrument.sz_decimals)
    liquidation = one.liquidation_px
    return {
        "coin": instrument.coin,
        "szi": sz_text(instrument, one.lots),
        "leverage": leverage(one.leverage, is_cross=one.is_cross, raw_usd_e8=one.raw_usd_e8),
        "entryPx": printed_ratio(entry, instrument.px_decimals),
        "positionValue": printed_money(abs(one.value_e8)),
        "unrealizedPnl": printed_money(one.unrealised_e8),
        "returnOnEquity": printed_ratio(
            Fraction(one.unrealised_e8) / initial if initial else 0, ROE_DECIMALS
        ),
        "liquidationPx": None
        if liquidation is None
        else printed_ratio(liquidation, LIQUIDATION_DECIMALS),
        "marginUsed": printed_money(one.margin_e8),
        "maxLeverage": instrument.leverage_max,
        "cumFunding": {
            "allTime": printed_money(holding.funding_all_e8),
            "sinceOpen": printed_money(holding.funding_open_e8),
            "sinceChange": printed_money(holding.funding_change_e8),
        },
    }


def leverage(value: int, *, is_cross: bool, raw_usd_e8: int = 0) -> Json:
    """Leverage and margin mode; an isolated one says its collateral less its cost."""
    if is_cross:
        return {"type": "cross", "value": value}
    return {"type": "isolated", "value": value, "rawUsd": printed_money(raw_usd_e8)}


def active_asset_data(
    core: VenueCore, user: str, account: VenueAccount | None, instrument: Instrument
) -> Json:
    """What can be traded of a coin now: (buy, sell); the closing side has its margin too."""
    reading = core.reading(account)
    value, is_cross = core.leverage(account, instrument)
    mark2 = core.exchange.mark_ticks2(instrument.id)
    held = next((one for one in reading.positions if one.instrument == instrument), None)
    available = []
    for side in (1, -1):
        free_e8 = max(0, reading.free_e8)
        if held is not None and held.lots * side < 0:
            free_e8 += 2 * held.margin_e8
        available.append(free_e8)
    unit_e8 = core.public[instrument.id].desk.market.money_per_unit
    lots = [2 * free_e8 * value // (mark2 * unit_e8) if mark2 else 0 for free_e8 in available]
    raw_usd_e8 = held.raw_usd_e8 if held is not None else 0
    return {
        "user": user,
        "coin": instrument.coin,
        "leverage": leverage(value, is_cross=is_cross, raw_usd_e8=raw_usd_e8),
        "maxTradeSzs": [sz_text(instrument, item) for item in lots],
        "availableToTrade": [printed_money(item) for item in available],
        "markPx": half_px_text(instrument, mark2),
    }


def portfolio(core: VenueCore, account: VenueAccount | None) -> list[Any]:
    """Value and profit over the venue's periods: here since the account was opened."""
    reading: AccountReading = core.reading(account)
    now_ms = core.clock.now_ms()
    opened_ms = account.opened_ms if account is not None else now_ms
    start_e8 = core.exchange.account(account.name).start_e8 if account is not None else 0
    volume = account.volume_e8 if account is not None else 0
    period = {
        "accountValueHistory": [
            [opened_ms, printed_money(start_e8)],
            [now_ms, printed_money(reading.equity_e8)],
        ],
        "pnlHistory": [[opened_ms, "0.0"], [now_ms, printed_money(reading.equity_e8 - start_e8)]],
        "vlm": printed_money(volume),
    }
    names = ("day", "week", "month", "allTime")
    perps = tuple(f"perp{name[0].upper()}{name[1:]}" for name in names)
    return [[name, period] for name in (*names, *perps)]


# -- orders ----------------------------------------------------------------------------------------


def short_order(record: OrderRecord, left_lots: int | None = None) -> Json:
    """An order as `openOrders` and `orderUpdates` have it: `sz` is what remains."""
    new = record.new
    left = record.left_lots if left_lots is None else left_lots
    row: Json = {
        "coin": new.instrument.coin,
        "side": side_text(new.side),
        "limitPx": px_text(new.instrument, new.px_ticks),
        "sz": sz_text(new.instrument, left),
        "oid": record.oid,
        "timestamp": record.placed_ms,
        "origSz": sz_text(new.instrument, new.sz_lots),
    }
    if new.cloid is not None:
        row["cloid"] = new.cloid
    if new.reduce_only:
        row["reduceOnly"] = True
    return row


def frontend_order(account: VenueAccount, record: OrderRecord) -> Json:
    """An order in full, the children that wait for it inside."""
    new, trigger = record.new, record.new.trigger
    condition, trigger_px = "N/A", "0.0"
    if trigger is not None:
        trigger_px = px_text(new.instrument, trigger.px_ticks)
        is_stop = trigger.kind is TriggerKind.STOP_LOSS
        word = "below" if is_stop is (new.side < 0) else "above"
        condition = f"Price {word} {trigger_px.removesuffix('.0')}"
    children = [
        frontend_order(account, child)
        for child in account.live()
        if child.parent == record.key and child.waits_for_parent
    ]
    return {
        "coin": new.instrument.coin,
        "side": side_text(new.side),
        "limitPx": px_text(new.instrument, new.px_ticks),
        "sz": sz_text(new.instrument, record.left_lots),
        "oid": record.oid,
        "timestamp": record.placed_ms,
        "triggerCondition": condition,
        "isTrigger": trigger is not None,
        "triggerPx": trigger_px,
        "children": children,
        "isPositionTpsl": new.is_position_tpsl,
        "reduceOnly": new.reduce_only,
        "orderType": _order_type(record),
        "origSz": sz_text(new.instrument, new.sz_lots),
        "tif": _tif(record),
        "cloid": new.cloid,
    }


def order_and_status(account: VenueAccount, record: OrderRecord) -> Json:
    """An order and what became of it."""
    return {
        "order": frontend_order(account, record),
        "status": record.status,
        "statusTimestamp": record.status_ms,
    }


def frontend_orders(account: VenueAccount | None) -> list[Json]:
    """The open orders in full, newest first; children that wait are inside their parents."""
    live = account.live() if account is not None else []
    return [
        frontend_order(account, record)
        for record in reversed(live)
        if account is not None and not record.waits_for_parent
    ]


def _order_type(record: OrderRecord) -> str:
    trigger = record.new.trigger
    if trigger is None:
        return "Market" if record.new.is_market else "Limit"
    kind = "Stop" if trigger.kind is TriggerKind.STOP_LOSS else "Take Profit"
    return f"{kind} {'Market' if trigger.is_market else 'Limit'}"


def _tif(record: OrderRecord) -> str | None:
    if record.new.trigger is not None:
        return None
    return "FrontendMarket" if record.new.is_market else record.new.tif.value


# -- history ---------------------------------------------------------------------------------------


def fill(row: FillRow) -> Json:
    """A fill: `closedPnl` is before fees, `startPosition` the signed position before it."""
    one = row.instrument
    shown: Json = {
        "coin": one.coin,
        "px": px_text(one, row.px_ticks),
        "sz": sz_text(one, row.sz_lots),
        "side": side_text(row.side),
        "time": row.time_ms,
        "startPosition": sz_text(one, row.start_lots),
        "dir": row.direction,
        "closedPnl": printed_money(row.realised_e8),
        "hash": row.hash,
        "oid": row.oid,
        "crossed": not row.is_maker,
        "fee": printed_money(row.fee_e8),
        "tid": row.tid,
        "feeToken": "USDC",
        "twapId": None,
    }
    if row.cloid is not None:
        shown["cloid"] = row.cloid
    return shown


def flat_funding(row: FundingRow) -> Json:
    """A funding payment as the WebSocket has it; `usdc` is negative when paid."""
    return {
        "time": row.time_ms,
        "coin": row.instrument.coin,
        "usdc": printed_money(-row.amount_e8),
        "szi": sz_text(row.instrument, row.lots),
        "fundingRate": printed_rate(row.rate_ppb),
        "nSamples": None,
    }


def funding(row: FundingRow) -> Json:
    """A funding payment as `userFunding` has it."""
    delta = flat_funding(row)
    time_ms = delta.pop("time")
    return {"time": time_ms, "hash": NO_HASH, "delta": {"type": "funding", **delta}}


def ledger(row: LedgerRow) -> Json:
    """Another change of the account's money."""
    return {"time": row.time_ms, "hash": row.hash, "delta": row.delta}


def rate(ppb: int) -> str:
    """A fee rate as a fraction."""
    return printed(ppb, len(str(PPB)) - 1)
