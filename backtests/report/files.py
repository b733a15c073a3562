"""The files of a run: all of them whole, or none changed.

    summary.json   see `backtests.report.summary`
    fills.csv      one row per fill, in order of time (FILL_COLUMNS)
    orders.csv     one row per order, its last generation, in order of sending (ORDER_COLUMNS)
    equity.csv     the account at every sample (EQUITY_COLUMNS)
    report.html    see `backtests.report.html`

Every CSV value is printed from integers, so the same run gives the same bytes on every machine.
Prices and sizes have the decimals of their instrument, money has eight, times are nanoseconds UTC
with the same instant in ISO form beside them, lines end in a line feed. Each file is written
beside its place under a temporary name; only when all are complete do they take their names, the
summary last.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec

from backtests.report.exact import decimal_text, iso_ns, money_text
from backtests.report.html import render_html
from backtests.report.result import FillRow, OrderRow, RunResult
from backtests.report.summary import Analysis, analyse, summary_of
from engine.errors import UsageError

FILL_COLUMNS: Final = (
    "time",  # when the engine heard of it, ISO
    "ts_local_ns",
    "ts_venue_ns",  # when the venue matched it
    "account",
    "strategy",
    "instrument",
    "side",  # buy or sell
    "px",
    "sz",
    "notional",  # px * sz
    "fee",  # a cost; negative is a rebate
    "liquidity",  # maker or taker
    "is_liquidation",  # true or false
    "realised",  # gross closed P&L of this fill in the strategy's position
    "position",  # of the strategy after this fill, signed
    "cloid",
    "generation",
    "oid",
    "trade_id",
)
ORDER_COLUMNS: Final = (
    "time",  # when it was first sent, ISO
    "ts_sent_ns",
    "end_time",  # when it was over, ISO; empty while it lives
    "ts_end_ns",
    "account",
    "strategy",
    "instrument",
    "side",  # buy or sell
    "kind",  # limit, market or trigger
    "tif",
    "px",  # empty when it has none
    "sz",
    "filled",
    "state",
    "reason",
    "cloid",
    "generation",
    "oid",
)
EQUITY_COLUMNS: Final = (
    "time",
    "ts_ns",
    "equity",
    "cash",
    "unrealised",
    "fees",  # paid since the start
    "funding",  # paid since the start
    "transfers",  # moved in since the start
    "position_notional",  # sizes of all positions added up
    "net_notional",  # long less short
)


class Paths(msgspec.Struct, frozen=True, kw_only=True):
    """Where the files of one report are."""

    summary: Path
    fills: Path
    orders: Path
    equity: Path
    html: Path


def write_report(result: RunResult, out_dir: Path, extra: Mapping[str, Any] | None = None) -> Paths:
    """Write all files of a run into `out_dir`, which is made if need be; files there are replaced.

    `extra` goes into summary.json beside what every run has.

    Raises UsageError when the folder cannot be made or written, and ModelError when the result
    contradicts itself. Nothing is replaced before every file is complete.
    """
    analysis = analyse(result)
    summary = summary_of(analysis) | dict(extra or {})
    paths = Paths(
        summary=out_dir / "summary.json",
        fills=out_dir / "fills.csv",
        orders=out_dir / "orders.csv",
        equity=out_dir / "equity.csv",
        html=out_dir / "report.html",
    )
    page = render_html(analysis, summary)
    text = msgspec.json.format(msgspec.json.encode(summary), indent=2).decode() + "\n"
    _write_all(
        out_dir,
        {
            paths.fills: lambda file: _write_csv(file, FILL_COLUMNS, fill_rows(analysis)),
            paths.orders: lambda file: _write_csv(file, ORDER_COLUMNS, order_rows(analysis)),
            paths.equity: lambda file: _write_csv(file, EQUITY_COLUMNS, equity_rows(analysis)),
            paths.html: lambda file: _write_text(file, page),
            paths.summary: lambda file: _write_text(file, text),
        },
    )
    return paths


def _write_all(folder: Path, writers: dict[Path, Callable[[TextIO], None]]) -> None:
    """Write every file under a temporary name, then give all of them theirs, in this order."""
    staged: dict[Path, Path] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, write in writers.items():
            staged[path] = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            with staged[path].open("w", encoding="utf-8", newline="") as file:
                write(file)
        for path, temporary in staged.items():
            temporary.replace(path)
    except OSError as error:
        raise UsageError(
            f"report folder {folder}: {error.strerror or error}, expected a folder to write into"
        ) from None
    finally:
        for temporary in staged.values():
            temporary.unlink(missing_ok=True)


def _write_text(file: TextIO, text: str) -> None:
    file.write(text)


def _write_csv(file: TextIO, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)


def fill_rows(analysis: Analysis) -> Iterator[Sequence[str]]:
    """The rows of fills.csv, as FILL_COLUMNS names them."""
    for fill in analysis.result.fills:
        on = analysis.decimals[fill.instrument]
        yield (
            iso_ns(fill.ts_local_ns),
            str(fill.ts_local_ns),
            str(fill.ts_venue_ns),
            fill.account,
            fill.strategy,
            fill.instrument,
            _side(fill),
            decimal_text(fill.px_ticks, on.px),
            decimal_text(fill.sz_lots, on.sz),
            money_text(on.grid.notional_e8(fill.px_ticks, fill.sz_lots)),
            money_text(fill.fee_e8),
            "maker" if fill.is_maker else "taker",
            "true" if fill.is_liquidation else "false",
            money_text(fill.realised_e8),
            decimal_text(fill.position_lots, on.sz),
            fill.cloid,
            str(fill.generation),
            str(fill.oid),
            str(fill.trade_id),
        )


def order_rows(analysis: Analysis) -> Iterator[Sequence[str]]:
    """The rows of orders.csv, as ORDER_COLUMNS names them."""
    for order in analysis.result.orders:
        on = analysis.decimals[order.instrument]
        yield (
            iso_ns(order.ts_sent_ns),
            str(order.ts_sent_ns),
            iso_ns(order.ts_end_ns) if order.ts_end_ns else "",
            str(order.ts_end_ns) if order.ts_end_ns else "",
            order.account,
            order.strategy,
            order.instrument,
            _side(order),
            order.kind,
            order.tif,
            decimal_text(order.px_ticks, on.px) if order.px_ticks else "",
            decimal_text(order.sz_lots, on.sz),
            decimal_text(order.filled_lots, on.sz),
            order.state,
            order.reason,
            order.cloid,
            str(order.generation),
            str(order.oid),
        )


def equity_rows(analysis: Analysis) -> Iterator[Sequence[str]]:
    """The rows of equity.csv, as EQUITY_COLUMNS names them."""
    for point in analysis.result.equity:
        yield (
            iso_ns(point.ts_ns),
            str(point.ts_ns),
            money_text(point.equity_e8),
            money_text(point.cash_e8),
            money_text(point.unrealised_e8),
            money_text(point.fees_e8),
            money_text(point.funding_e8),
            money_text(point.transfers_e8),
            money_text(point.position_notional_e8),
            money_text(point.net_notional_e8),
        )


def _side(row: FillRow | OrderRow) -> str:
    return "buy" if row.side > 0 else "sell"
