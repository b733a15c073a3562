"""What is under way between engine and exchange goes together, and in the order of the house."""

from __future__ import annotations

from typing import Any

import pytest

from backtests.drive.session import MARKET_AT_ENGINE, Session
from backtests.models.latency import FixedLatency
from engine.model.commands import Batch
from engine.model.effects import Effect, SetTimer, Submit
from engine.model.events import OrderAccepted, TimerFired


def accepted(cloid: str, local_ns: int) -> OrderAccepted:
    return OrderAccepted(1, local_ns, "main", "hl:BTC", cloid, 0, 1)


def submit(kind: str) -> Submit:
    return Submit(Batch("main", kind, (), 1, 0))


class Both:
    """An engine and an exchange that note what reaches them and answer as they were told."""

    def __init__(
        self, effects: dict[str, tuple[Effect, ...]], reports: dict[str, list[Any]]
    ) -> None:
        self.noted: list[str] = []
        self.reports: list[Any] = []
        self._effects = effects
        self._reports = reports

    def step(self, event: Any) -> tuple[Effect, ...]:  # noqa: ANN401 - any event
        name = event.name if isinstance(event, TimerFired) else event.cloid
        self.noted.append(name)
        return self._effects.pop(name, ())

    def on_batch(self, ts_ns: int, batch: Batch) -> None:
        self.noted.append(f"{batch.kind} at {ts_ns}")
        self.reports += self._reports.pop(batch.kind, ())


def session(both: Any, order_delay_ns: int = 0) -> Session:  # noqa: ANN401 - stands for two things
    return Session(both, both, FixedLatency(order_delay_ns))


@pytest.mark.parametrize(
    ("order_delay_ns", "expected"),
    [
        # What a report sets off reaches the exchange at the same instant: before the next report.
        (0, ["first", "a", "modify at 5", "b", "c"]),
        (1, ["first", "a", "b", "c", "modify at 6"]),
    ],
)
def test_what_a_report_sets_off_may_come_before_the_next_report(
    order_delay_ns: int, expected: list[str]
) -> None:
    both = Both({"first": (), "a": (submit("modify"),)}, {})
    under_way = session(both, order_delay_ns)
    both.reports += [accepted(cloid, 5) for cloid in ("first", "a", "b", "c")]
    under_way.collect()
    under_way.advance(10, MARKET_AT_ENGINE)

    assert expected == both.noted
    assert [] == under_way.agenda


def test_new_reports_of_the_same_instant_come_after_those_that_wait() -> None:
    both = Both({"a": (submit("modify"),)}, {"modify": [accepted("new", 5)]})
    under_way = session(both)
    both.reports += [accepted(cloid, 5) for cloid in ("a", "b")]
    under_way.collect()
    under_way.advance(10, MARKET_AT_ENGINE)

    assert ["a", "modify at 5", "b", "new"] == both.noted


def test_reports_never_overtake_each_other() -> None:
    """One that would have come earlier than one before it comes with that one."""
    both = Both({}, {})
    under_way = session(both)
    both.reports += [accepted("a", 5), accepted("b", 7), accepted("c", 6), accepted("d", 9)]
    under_way.collect()
    under_way.advance(7, MARKET_AT_ENGINE)

    assert ["a", "b", "c"] == both.noted
    under_way.drain()
    assert ["a", "b", "c", "d"] == both.noted


def test_what_one_step_sends_reaches_the_exchange_before_any_answer_reaches_the_engine() -> None:
    both = Both({}, {"cancel": [accepted("a", 5)], "alo": [accepted("b", 5)]})
    under_way = session(both)
    under_way.perform((submit("cancel"), SetTimer("s", "timer", 5), submit("alo")), 5)
    under_way.advance(6, MARKET_AT_ENGINE)

    assert ["cancel at 5", "alo at 5", "a", "b", "timer"] == both.noted
