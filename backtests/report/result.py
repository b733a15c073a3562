"""What a run leaves behind for its report: the contract between the runner and this package.

Money is in 1e-8 of the collateral token (`_e8`), prices in ticks and sizes in lots of the
instrument's own grid, times in nanoseconds UTC. Fees and funding are costs: positive is paid,
negative received. So `net = realised + unrealised - fees - funding`, and `final equity = starting
equity + net + transfers`.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from engine.errors import ModelError
from engine.model.instruments import Grid, Instrument
from engine.model.units import Side

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class FillRow(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One fill. `px` and `sz` are `px_ticks` and `sz_lots` as floats.

    `realised_e8` is the gross closed P&L of this fill in the strategy's own position, and
    `position_lots` that signed position after it.
    """

    ts_venue_ns: int
    ts_local_ns: int
    account: str
    strategy: str
    instrument: str
    cloid: str
    generation: int
    oid: int
    trade_id: int
    side: Side
    px_ticks: int
    sz_lots: int
    px: float
    sz: float
    fee_e8: int
    is_maker: bool
    is_liquidation: bool
    realised_e8: int
    position_lots: int


class OrderRow(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One order as it ended or stands: a modified one has its last generation, price and size.

    `ts_sent_ns` is of its first generation, `ts_end_ns` is 0 while it lives, `px_ticks` 0 is no
    price.
    """

    ts_sent_ns: int
    ts_end_ns: int
    account: str
    strategy: str
    instrument: str
    cloid: str
    generation: int
    oid: int
    side: Side
    kind: Literal["limit", "market", "trigger"]
    tif: str
    px_ticks: int
    sz_lots: int
    px: float
    sz: float
    filled_lots: int
    state: str
    reason: str


class EquityPoint(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The account at one instant; fees, funding and transfers are running totals since the start.

    `position_notional_e8` adds up all positions, `net_notional_e8` nets long and short.
    """

    ts_ns: int
    equity_e8: int
    cash_e8: int
    unrealised_e8: int
    fees_e8: int
    funding_e8: int
    position_notional_e8: int
    net_notional_e8: int
    transfers_e8: int = 0


class InstrumentSeries(msgspec.Struct, frozen=True, kw_only=True):
    """Mark (or mid) price and net signed position of one instrument; arrays of one length."""

    instrument: str
    ts_ns: Ints
    px: Floats
    position: Floats


class StrategyTotals(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy's run. `refusals` counts by check, `rejects` by the venue's reason."""

    name: str
    fills_buy: int
    fills_sell: int
    maker_fills: int
    orders: int
    cancels: int
    refusals: dict[str, int]
    rejects: dict[str, int]
    realised_e8: int
    unrealised_e8: int
    fees_e8: int
    funding_e8: int
    net_e8: int
    volume_e8: int


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """A finished run. `assumptions` says in words which models were used; `config` holds no secret.

    `warnings` are what the driver knows and a reader must know first, as sentences.

    `instruments` has every instrument that a fill or an order names: its grid turns ticks and lots
    into exact decimals. Fills, orders and equity points are in the order of time.
    """

    name: str
    mode: str
    driver: str
    start_ns: int
    end_ns: int
    events: int
    wall_seconds: float
    starting_equity_e8: int
    final_equity_e8: int
    liquidations: int
    instruments: tuple[Instrument, ...]
    fills: list[FillRow]
    orders: list[OrderRow]
    cancels: int
    refusals: dict[str, int]
    rejects: dict[str, int]
    equity: list[EquityPoint]
    series: list[InstrumentSeries]
    strategies: list[StrategyTotals]
    assumptions: list[str]
    config: dict[str, Any]
    collateral: str = "USDC"
    warnings: tuple[str, ...] = ()

    @property
    def transfers_e8(self) -> int:
        """Money moved into the account during the run, less money moved out."""
        return self.equity[-1].transfers_e8 if self.equity else 0


class Decimals(msgspec.Struct, frozen=True):
    """How many decimals the prices and sizes of one instrument have, and its grid."""

    px: int
    sz: int
    grid: Grid


def decimals_by_instrument(result: RunResult) -> dict[str, Decimals]:
    """The grid of every instrument, by id.

    Raises ModelError when a fill or an order names an instrument that `result.instruments` lacks.
    """
    found = {
        one.id: Decimals(one.px_decimals, one.sz_decimals, one.grid) for one in result.instruments
    }
    for what, rows in (("fill", result.fills), ("order", result.orders)):
        for missing in sorted({row.instrument for row in rows} - found.keys()):
            raise ModelError(
                f"result {result.name!r}: a {what} names {missing!r},"
                f" expected one of its instruments: {', '.join(sorted(found)) or 'none'}"
            )
    return found
