"""Made-up runs for the report: seeded random walks, booked in integers so that the ledger closes.

`made_up(...)` is a market maker's or a trend follower's life; `by_hand` is three fills small
enough to check with a pencil.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from backtests.report.result import (
    EquityPoint,
    FillRow,
    Floats,
    InstrumentSeries,
    OrderRow,
    RunResult,
    StrategyTotals,
)
from engine.model.instruments import Instrument, MarginTier, hyperliquid_instrument
from engine.model.units import NS_PER_S, Side, fee_e8, funding_e8

DAY_NS = 86_400 * NS_PER_S
START_NS = 1_735_689_600 * NS_PER_S  # 2025-01-01
BALANCE_E8 = 100_000 * 10**8
COINS = {"BTC": (5, 60_000.0), "ETH": (4, 3_000.0), "SOL": (2, 150.0)}


def instrument(coin: str) -> Instrument:
    return hyperliquid_instrument(
        "hl", coin, sz_decimals=COINS[coin][0], margin_tiers=(MarginTier(0, 50),)
    )


class Account:
    """Positions of one strategy at average cost, in integers."""

    def __init__(self, name: str, rng: np.random.Generator, maker_share: float) -> None:
        self.name, self.rng, self.maker_share = name, rng, maker_share
        self.position: dict[str, int] = {}
        self.cost_e8: dict[str, int] = {}
        self.realised_e8 = self.fees_e8 = self.funding_e8 = self.volume_e8 = 0
        self.fills: list[FillRow] = []
        self.orders: list[OrderRow] = []

    def trade(self, on: Instrument, ts_ns: int, side: Side, mid: float, lots: int) -> None:
        is_maker = bool(self.rng.random() < self.maker_share)
        px = mid * (1 - side * (0.0002 if is_maker else -0.0001))
        px_ticks = on.grid.quantise_px(px, side, is_aggressive=not is_maker)
        notional_e8 = on.grid.notional_e8(px_ticks, lots)
        before = self.position.get(on.id, 0)
        cost_e8 = self.cost_e8.get(on.id, 0)
        closed = min(abs(before), lots) if before * side < 0 else 0
        freed_e8 = cost_e8 * closed // abs(before) if closed else 0
        gained_e8 = -side * on.grid.notional_e8(px_ticks, closed) - freed_e8
        self.cost_e8[on.id] = (
            cost_e8 - freed_e8 + side * on.grid.notional_e8(px_ticks, lots - closed)
        )
        self.position[on.id] = before + side * lots
        paid_e8 = fee_e8(notional_e8, 150_000 if is_maker else 450_000)
        self.realised_e8 += gained_e8
        self.fees_e8 += paid_e8
        self.volume_e8 += notional_e8
        number = len(self.fills) + 1
        common: dict[str, Any] = {
            "account": "main",
            "strategy": self.name,
            "instrument": on.id,
            "cloid": f"0x{number:032x}",
            "generation": 0,
            "oid": 1_000 + number,
            "side": side,
            "px_ticks": px_ticks,
            "sz_lots": lots,
            "px": on.grid.px(px_ticks),
            "sz": on.grid.sz(lots),
        }
        self.fills.append(
            FillRow(
                ts_venue_ns=ts_ns,
                ts_local_ns=ts_ns + 1_500_000,
                trade_id=7_000 + number,
                fee_e8=paid_e8,
                is_maker=is_maker,
                is_liquidation=False,
                realised_e8=gained_e8,
                position_lots=self.position[on.id],
                **common,
            )
        )
        wait_ns = int(self.rng.exponential(8e9)) if is_maker else 200_000_000
        self.orders.append(
            OrderRow(
                ts_sent_ns=ts_ns - wait_ns,
                ts_end_ns=ts_ns + 1_500_000,
                kind="limit" if is_maker else "market",
                tif="Alo" if is_maker else "Ioc",
                filled_lots=lots,
                state="filled",
                reason="",
                **common,
            )
        )

    def settle(self, on: Instrument, mark: float, rate_ppb: int) -> None:
        mark_ticks = round(mark * on.grid.px_scale)
        notional_e8 = on.grid.notional_e8(mark_ticks, self.position.get(on.id, 0))
        self.funding_e8 += funding_e8(notional_e8, rate_ppb)

    def unrealised_e8(self, on: Instrument, mark: float) -> int:
        mark_ticks = round(mark * on.grid.px_scale)
        lots = self.position.get(on.id, 0)
        return on.grid.notional_e8(mark_ticks, lots) - self.cost_e8.get(on.id, 0)


def made_up(  # noqa: PLR0913 - the life of an account
    seed: int = 7,
    *,
    days: float = 2,
    step_seconds: int = 60,
    coins: Sequence[str] = ("BTC",),
    names: Sequence[str] = ("mm-btc",),
    fill_chance: float = 0.3,
    maker_share: float = 0.9,
    drift: float = 0.0,
) -> RunResult:
    rng = np.random.default_rng(seed)
    steps = int(days * 86_400) // step_seconds
    instruments = [instrument(coin) for coin in coins]
    noise = rng.normal(drift, 0.00008 * np.sqrt(step_seconds), (len(coins), steps))
    paths = np.array([[COINS[coin][1]] for coin in coins]) * np.exp(np.cumsum(noise, axis=1))
    accounts = [Account(name, rng, maker_share) for name in names]
    held = np.zeros((len(coins), steps))
    equity = []
    for step in range(steps):
        ts_ns = START_NS + (step + 1) * step_seconds * NS_PER_S
        for row, on in enumerate(instruments):
            mid = float(paths[row, step])
            for account in accounts:
                if rng.random() < fill_chance:
                    lots = max(1, round(2_000 / mid * on.grid.sz_scale))
                    lean = account.position.get(on.id, 0) / (lots * 6)
                    side = Side.SELL if rng.random() < 0.5 + 0.4 * lean else Side.BUY
                    account.trade(on, ts_ns - NS_PER_S, side, mid, lots)
                if ts_ns % (3_600 * NS_PER_S) == 0:
                    account.settle(on, mid, 12_500)
            held[row, step] = on.grid.sz(sum(a.position.get(on.id, 0) for a in accounts))
        equity.append(_point(ts_ns, accounts, instruments, paths[:, step]))
    return _result(accounts, instruments, equity, paths, held)


def _point(
    ts_ns: int, accounts: list[Account], instruments: list[Instrument], marks: Floats
) -> EquityPoint:
    nets = [
        on.grid.notional_e8(
            round(float(mark) * on.grid.px_scale), sum(a.position.get(on.id, 0) for a in accounts)
        )
        for on, mark in zip(instruments, marks, strict=True)
    ]
    unrealised_e8 = sum(
        account.unrealised_e8(on, float(mark))
        for account in accounts
        for on, mark in zip(instruments, marks, strict=True)
    )
    fees_e8 = sum(account.fees_e8 for account in accounts)
    paid_e8 = sum(account.funding_e8 for account in accounts)
    cash_e8 = BALANCE_E8 + sum(a.realised_e8 for a in accounts) - fees_e8 - paid_e8
    return EquityPoint(
        ts_ns=ts_ns,
        equity_e8=cash_e8 + unrealised_e8,
        cash_e8=cash_e8,
        unrealised_e8=unrealised_e8,
        fees_e8=fees_e8,
        funding_e8=paid_e8,
        position_notional_e8=sum(abs(one) for one in nets),
        net_notional_e8=sum(nets),
    )


def _result(
    accounts: list[Account],
    instruments: list[Instrument],
    equity: list[EquityPoint],
    paths: Floats,
    held: Floats,
) -> RunResult:
    times = np.array([point.ts_ns for point in equity], dtype=np.int64)
    marks = {on.id: float(path[-1]) for on, path in zip(instruments, paths, strict=True)}
    fills = sorted((f for a in accounts for f in a.fills), key=lambda f: (f.ts_local_ns, f.oid))
    orders = sorted((o for a in accounts for o in a.orders), key=lambda o: o.ts_sent_ns)
    return RunResult(
        name="Two-sided quotes around the microprice",
        mode="backtest",
        driver="chunked",
        start_ns=START_NS,
        end_ns=equity[-1].ts_ns,
        events=41 * len(equity) * len(instruments),
        wall_seconds=1.83,
        starting_equity_e8=BALANCE_E8,
        final_equity_e8=equity[-1].equity_e8,
        liquidations=0,
        instruments=tuple(instruments),
        fills=fills,
        orders=orders,
        cancels=len(orders) * 3,
        refusals={"position limit": 214, "stale book": 9},
        rejects={"Post only order would have immediately matched": len(orders) // 40},
        equity=equity,
        series=[
            InstrumentSeries(instrument=on.id, ts_ns=times, px=path, position=net)
            for on, path, net in zip(instruments, paths, held, strict=True)
        ],
        strategies=[_totals(account, instruments, marks) for account in accounts],
        assumptions=[
            "A resting order fills when a trade prints through its price, or at it in its turn.",
            "Orders take 45 ms to the venue and answers 45 ms back, always.",
            "Positions are marked at the venue's mark price; funding is booked hourly on it.",
            "Our orders move no price: no market impact.",
        ],
        config={
            "strategies": [{"name": account.name, "use": "market_maker"} for account in accounts],
            "backtest": {"data": "market", "latency_ms": 45, "fees": "hyperliquid tier 0"},
        },
    )


def _totals(
    account: Account, instruments: list[Instrument], marks: dict[str, float]
) -> StrategyTotals:
    unrealised_e8 = sum(account.unrealised_e8(on, marks[on.id]) for on in instruments)
    buys = sum(fill.side > 0 for fill in account.fills)
    net_e8 = account.realised_e8 + unrealised_e8 - account.fees_e8 - account.funding_e8
    return StrategyTotals(
        name=account.name,
        fills_buy=buys,
        fills_sell=len(account.fills) - buys,
        maker_fills=sum(fill.is_maker for fill in account.fills),
        orders=len(account.orders),
        cancels=len(account.orders) * 3,
        refusals={"position limit": 214},
        rejects={"Post only order would have immediately matched": 31},
        realised_e8=account.realised_e8,
        unrealised_e8=unrealised_e8,
        fees_e8=account.fees_e8,
        funding_e8=account.funding_e8,
        net_e8=net_e8,
        volume_e8=account.volume_e8,
    )


@pytest.fixture(name="made_up", scope="session")
def made_up_fixture() -> Callable[..., RunResult]:
    return made_up


@pytest.fixture(scope="session")
def short_run() -> RunResult:
    return made_up(days=0.25)


@pytest.fixture(scope="session")
def long_run() -> RunResult:
    return made_up(
        seed=3,
        days=75,
        step_seconds=1_800,
        coins=("BTC", "ETH"),
        names=("trend", "carry"),
        fill_chance=0.08,
        maker_share=0.4,
    )


@pytest.fixture(scope="session")
def untouched(short_run: RunResult) -> RunResult:
    """A run in which nothing happened."""
    return msgspec.structs.replace(
        short_run,
        end_ns=short_run.start_ns + NS_PER_S,
        events=0,
        wall_seconds=0.0,
        final_equity_e8=BALANCE_E8,
        fills=[],
        orders=[],
        cancels=0,
        refusals={},
        rejects={},
        equity=[],
        series=[],
        strategies=[],
        assumptions=[],
        config={},
    )


@pytest.fixture(scope="session")
def by_hand() -> RunResult:
    """Three fills to check with a pencil: long 2 from 150 to 151, turned short 1, closed at 152."""
    on = instrument("SOL")
    rows = [
        (1, Side.BUY, 150, 200, 13_500_000, False, 0, 200),
        (2, Side.SELL, 151, 300, 6_795_000, True, 200_000_000, -100),
        (4, Side.BUY, 152, 100, 6_840_000, False, -100_000_000, 0),
    ]
    fills = [
        FillRow(
            ts_venue_ns=START_NS + seconds * NS_PER_S,
            ts_local_ns=START_NS + seconds * NS_PER_S + 7,
            account="main",
            strategy="trend",
            instrument=on.id,
            cloid=f"0x{seconds:032x}",
            generation=1,
            oid=100 + seconds,
            trade_id=200 + seconds,
            side=side,
            px_ticks=px * 10_000,
            sz_lots=lots,
            px=float(px),
            sz=lots / 100,
            fee_e8=fee,
            is_maker=is_maker,
            is_liquidation=False,
            realised_e8=realised,
            position_lots=position,
        )
        for seconds, side, px, lots, fee, is_maker, realised, position in rows
    ]
    orders = [
        OrderRow(
            ts_sent_ns=fill.ts_local_ns - 500_000_000,
            ts_end_ns=fill.ts_local_ns,
            account="main",
            strategy="trend",
            instrument=on.id,
            cloid=fill.cloid,
            generation=1,
            oid=fill.oid,
            side=fill.side,
            kind="limit",
            tif="Gtc",
            px_ticks=fill.px_ticks,
            sz_lots=fill.sz_lots,
            px=fill.px,
            sz=fill.sz,
            filled_lots=fill.sz_lots,
            state="filled",
            reason="",
        )
        for fill in fills
    ]
    refused = msgspec.structs.replace(
        orders[0],
        ts_sent_ns=START_NS + 5 * NS_PER_S,
        ts_end_ns=0,
        cloid="0xff",
        oid=0,
        kind="market",
        px_ticks=0,
        filled_lots=0,
        state="rejected",
        reason='Insufficient margin, "BTC"',
    )
    equity = [
        (1, 99_986_500_000, 30_000_000_000, 30_000_000_000, 13_500_000, 0),
        (2, 100_179_705_000, 15_100_000_000, -15_100_000_000, 20_295_000, 0),
        (4, 100_072_865_000, 0, 0, 27_135_000, 0),
        (5, 100_071_865_000, 0, 0, 27_135_000, 1_000_000),
    ]
    return RunResult(
        name="by hand",
        mode="backtest",
        driver="reference",
        start_ns=START_NS,
        end_ns=START_NS + 5 * NS_PER_S,
        events=500,
        wall_seconds=0.25,
        starting_equity_e8=100_000_000_000,
        final_equity_e8=100_071_865_000,
        liquidations=0,
        instruments=(on,),
        fills=fills,
        orders=[*orders, refused],
        cancels=2,
        refusals={"stale book": 1, "position limit": 2},
        rejects={"Insufficient margin": 1},
        equity=[
            EquityPoint(
                ts_ns=START_NS + seconds * NS_PER_S,
                equity_e8=value,
                cash_e8=value,
                unrealised_e8=0,
                fees_e8=fees,
                funding_e8=funding,
                position_notional_e8=gross,
                net_notional_e8=net,
            )
            for seconds, value, gross, net, fees, funding in equity
        ],
        series=[],
        strategies=[
            StrategyTotals(
                name="trend",
                fills_buy=2,
                fills_sell=1,
                maker_fills=1,
                orders=4,
                cancels=2,
                refusals={},
                rejects={},
                realised_e8=100_000_000,
                unrealised_e8=0,
                fees_e8=27_135_000,
                funding_e8=1_000_000,
                net_e8=71_865_000,
                volume_e8=90_500_000_000,
            )
        ],
        assumptions=[],
        config={},
    )
