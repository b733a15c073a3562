"""The page: alone, quiet, safe and complete."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from html.parser import HTMLParser

import msgspec
import numpy as np
import pytest

from backtests.report import html as page
from backtests.report.decimate import MARKERS_MAX, POINTS_MAX
from backtests.report.elements import chart
from backtests.report.result import InstrumentSeries, RunResult
from backtests.report.summary import Summary, analyse, summary_of

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


class Page(HTMLParser):
    """What a browser would see: every tag, the text outside scripts, and the figures."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.stack: list[str] = []
        self.unmatched: list[str] = []
        self.words: list[str] = []
        self.figures: dict[str, Summary] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "br"}:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.stack or self.stack.pop() != tag:
            self.unmatched.append(tag)

    def handle_data(self, data: str) -> None:
        inside = self.stack[-1] if self.stack else ""
        if inside == "script":
            chart = self.tags[-1][1].get("data-chart")
            if chart is not None:
                self.figures[chart] = json.loads(data)
        elif inside != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def rendered(result: RunResult) -> str:
    analysis = analyse(result)
    return page.render_html(analysis, summary_of(analysis))


@pytest.fixture
def plotly_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page with charts whatever is installed, and without five megabytes of plotly in it."""
    monkeypatch.setattr(page, "plotly_script", lambda: "/* plotly */")


@pytest.fixture
def plotly_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly", None)
    monkeypatch.setitem(sys.modules, "plotly.offline", None)


def test_plotly_is_inlined_once(short_run: RunResult) -> None:
    pytest.importorskip("plotly")
    text = rendered(short_run)

    assert 1 == text.count("* plotly.js v")
    assert 1 == text.count("function draw()")


@pytest.mark.usefixtures("plotly_is_there")
def test_the_page_loads_nothing_and_may_not(short_run: RunResult) -> None:
    parsed = Page(rendered(short_run))
    policy = next(a for tag, a in parsed.tags if a.get("http-equiv") == "Content-Security-Policy")

    assert (policy["content"] or "").startswith("default-src 'none';")
    assert not any({"src", "href", "srcset", "action"} & attrs.keys() for _, attrs in parsed.tags)
    assert not {"link", "iframe", "object", "img", "form"} & {tag for tag, _ in parsed.tags}


@pytest.mark.usefixtures("plotly_is_there")
def test_every_tag_is_closed(long_run: RunResult) -> None:
    parsed = Page(rendered(long_run))

    assert ([], []) == (parsed.unmatched, parsed.stack)


@pytest.mark.usefixtures("plotly_is_there")
def test_every_chart_has_a_place_and_data_of_plain_numbers(long_run: RunResult) -> None:
    parsed = Page(rendered(long_run))
    places = {a["id"] for tag, a in parsed.tags if "chart" in (a.get("class") or "").split()}

    assert (
        {
            "chart-equity",
            "chart-costs",
            "chart-price-0",
            "chart-price-1",
            "chart-days",
        }
        == parsed.figures.keys()
        == places
    )
    for figure in parsed.figures.values():
        for trace in figure["data"]:
            assert len(trace["x"]) == len(trace["y"]) > 0


@pytest.mark.usefixtures("plotly_is_there")
def test_the_sections_a_trader_looks_for_are_there(long_run: RunResult) -> None:
    text = Page(rendered(long_run)).text

    for title in (
        "Net P&L",
        "Max drawdown",
        "Equity and drawdown",
        "Costs, in USDC",
        "Return and risk",
        "From gross to net over time",
        "hl:BTC: price, fills and position",
        "hl:ETH: price, fills and position",
        "Round trips",
        "Execution",
        "Strategies",
        "Returns by month and day (UTC)",
        "Deepest drawdowns",
        "Assumptions and limits",
        "Our orders move no price: no market impact.",
        "Ledger, in USDC",
        "Config of this run",
    ):
        assert title in text


@pytest.mark.usefixtures("plotly_is_missing")
def test_without_plotly_the_page_has_its_tables_and_says_how_to_get_charts(
    long_run: RunResult,
) -> None:
    text = rendered(long_run)
    parsed = Page(text)

    assert "pip install 'perpd[report]'" in parsed.text
    assert {} == parsed.figures
    assert "<script" not in text
    assert "Round trips" in parsed.text
    assert ([], []) == (parsed.unmatched, parsed.stack)


@pytest.mark.usefixtures("plotly_is_there")
def test_no_name_or_reason_can_become_markup(short_run: RunResult) -> None:
    (mm,) = short_run.strategies
    hostile = msgspec.structs.replace(
        short_run,
        name=HOSTILE,
        mode=HOSTILE,
        driver=HOSTILE,
        collateral=HOSTILE,
        instruments=(msgspec.structs.replace(short_run.instruments[0], id=HOSTILE),),
        fills=[
            msgspec.structs.replace(fill, instrument=HOSTILE, strategy=HOSTILE)
            for fill in short_run.fills
        ],
        orders=[],
        series=[msgspec.structs.replace(one, instrument=HOSTILE) for one in short_run.series],
        strategies=[msgspec.structs.replace(mm, name=HOSTILE)],
        refusals={HOSTILE: 1},
        rejects={HOSTILE: 1},
        assumptions=[HOSTILE],
        config={HOSTILE: HOSTILE},
    )
    parsed, harmless = Page(rendered(hostile)), Page(rendered(short_run))
    hovers = str(parsed.figures)

    assert [tag for tag, _ in harmless.tags].count("script") == [
        tag for tag, _ in parsed.tags
    ].count("script")
    assert "img" not in {tag for tag, _ in parsed.tags}
    assert HOSTILE in parsed.text
    assert "<img" not in hovers
    assert "&lt;img" in hovers
    assert ([], []) == (parsed.unmatched, parsed.stack)


def test_the_data_of_a_figure_cannot_end_its_script() -> None:
    text = chart("a", "b", {"data": [{"text": HOSTILE}], "layout": {}})
    parsed = Page(text)

    assert 1 == text.count("</script")
    assert HOSTILE == parsed.figures["a"]["data"][0]["text"]


@pytest.mark.usefixtures("plotly_is_missing")
def test_several_strategies_are_summed_and_one_is_not(
    long_run: RunResult, short_run: RunResult
) -> None:
    total = '<tr class="is-total"><th scope="row">All</th>'

    assert total in rendered(long_run)
    assert total not in rendered(short_run)


@pytest.mark.usefixtures("plotly_is_there")
def test_long_lines_are_thinned_and_fills_too_and_the_page_says_so(
    made_up: Callable[..., RunResult],
) -> None:
    result = made_up(days=3, step_seconds=40, fill_chance=0.4)
    parsed = Page(rendered(result))
    marks = [t for t in parsed.figures["chart-price-0"]["data"] if t["mode"] == "markers"]
    lines = [
        trace
        for figure in parsed.figures.values()
        for trace in figure["data"]
        if trace.get("mode") == "lines"
    ]

    assert len(result.equity) > POINTS_MAX
    assert all(len(trace["x"]) <= POINTS_MAX for trace in lines)
    assert MARKERS_MAX == sum(len(trace["x"]) for trace in marks)
    assert f"1,500 of {len(result.fills):,} fills are marked" in parsed.text


@pytest.mark.usefixtures("plotly_is_there")
def test_makers_takers_and_liquidations_have_marks_of_their_own(by_hand: RunResult) -> None:
    fills = [*by_hand.fills]
    fills[2] = msgspec.structs.replace(fills[2], is_liquidation=True)
    series = InstrumentSeries(
        instrument="hl:SOL",
        ts_ns=np.array([point.ts_ns for point in by_hand.equity]),
        px=np.array([150.0, 151.0, 152.0, 152.0]),
        position=np.array([2.0, -1.0, 0.0, 0.0]),
    )
    result = msgspec.structs.replace(by_hand, fills=fills, series=[series])
    traces = Page(rendered(result)).figures["chart-price-0"]["data"]

    assert {
        "Buy, taker": "triangle-up",
        "Sell, maker": "triangle-down-open",
        "Liquidation": "x",
    } == {one["name"]: one["marker"]["symbol"] for one in traces if one["mode"] == "markers"}


@pytest.mark.usefixtures("plotly_is_there")
def test_the_costs_chart_ends_at_the_costs_of_the_run(by_hand: RunResult) -> None:
    traces = Page(rendered(by_hand)).figures["chart-costs"]["data"]

    assert {
        "Gross P&amp;L": pytest.approx(1.0),
        "Maker fees": pytest.approx(-0.06795),
        "Taker fees": pytest.approx(-0.2034),
        "Funding": pytest.approx(-0.01),
        "Net P&amp;L": pytest.approx(0.71865),
    } == {one["name"]: one["y"][-1] for one in traces}


@pytest.mark.usefixtures("plotly_is_there")
def test_more_instruments_than_charts_are_counted(short_run: RunResult) -> None:
    (one,) = short_run.series
    many = [msgspec.structs.replace(one, instrument=f"hl:C{at}") for at in range(11)]
    parsed = Page(rendered(msgspec.structs.replace(short_run, series=[*many, one])))

    assert 8 == sum(name.startswith("chart-price-") for name in parsed.figures)
    assert "hl:BTC: price" in parsed.text
    assert "4 more instruments, with fewer fills, have no chart." in parsed.text


@pytest.mark.usefixtures("plotly_is_there")
def test_a_run_in_which_nothing_happened_has_a_page(untouched: RunResult) -> None:
    parsed = Page(rendered(untouched))

    assert "Warning. No order was filled." in parsed.text
    assert ([], []) == (parsed.unmatched, parsed.stack)
    assert not re.search(r"\b(nan|inf|None)\b", parsed.text)


@pytest.mark.usefixtures("plotly_is_there")
def test_the_config_is_shown_as_it_is(short_run: RunResult) -> None:
    assert '"fees": "hyperliquid tier 0"' in Page(rendered(short_run)).text
