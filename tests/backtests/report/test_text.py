"""The terminal summary: eighty columns, whatever the run."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from backtests.report import render_text, summarise
from backtests.report.result import RunResult
from backtests.report.text import WIDTH

EXPECTED = """\
by hand (backtest, reference driver)
================================================================================
2025-01-01 00:00:00 to 2025-01-01 00:00:05 UTC  (5.00s)
500 events in 250ms, 2,000 a second

!  Requests that the venue rejected: 1, against 4 orders sent.

gross P&L                       +1.00    max drawdown                  -0.11 %
- fees                           0.27    Sharpe (daily)                    n/a
- funding                        0.01    Sortino (daily)                   n/a
= net P&L                       +0.72    Calmar                            n/a
return                        +0.07 %    leverage max                   0.30 x
final equity            1,000.72 USDC    liquidations                        0

orders                              4    round trips                         2
fills                               3    win rate                       50.0 %
cancels                             2    profit factor                    1.67
refused                             3    median hold                     1.50s
rejected                            1    volume                         905.00
maker share                    50.1 %    turnover                       0.90 x

strategy                  fills   maker         gross        costs           net
trend                         3    33 %         +1.00         0.28         +0.72

refused by our gate
          2  position limit
          1  stale book

rejected by the venue
          1  Insufficient margin
"""


def test_three_fills_look_like_this(by_hand: RunResult) -> None:
    assert EXPECTED == render_text(summarise(by_hand))


def test_a_run_in_which_nothing_happened_is_shown(untouched: RunResult) -> None:
    text = render_text(summarise(untouched))

    assert "!  No order was filled." in text
    assert "strategy  " not in text


@given(
    name=st.text(max_size=200),
    reason=st.text(min_size=1, max_size=200),
    money=st.integers(-(10**19), 10**19),
    times=st.integers(0, 10**8),
)
def test_no_line_is_wider_than_a_terminal_nor_moves_its_cursor(
    by_hand: RunResult, name: str, reason: str, money: int, times: int
) -> None:
    (trend,) = by_hand.strategies
    summary = summarise(
        msgspec.structs.replace(
            by_hand,
            name=name,
            collateral=name,
            final_equity_e8=money,
            events=times,
            rejects={reason: times},
            strategies=[
                msgspec.structs.replace(
                    trend, name=name, realised_e8=money, fees_e8=money, net_e8=-money
                )
            ],
        )
    )
    lines = render_text(summary).split("\n")

    assert all(len(line) <= WIDTH for line in lines)
    assert all(line.isprintable() for line in lines)
