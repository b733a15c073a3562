"""The two rate budgets, against counting everything anew."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.budget import CANCEL_EXTRA, WINDOW_NS, AddressBudget, BudgetLimits, IpBudget
from engine.model.units import MONEY_SCALE, NS_PER_S

LIMITS = BudgetLimits(
    ip_weight_max=100,
    ip_weight_reserve=20,
    address_actions_start=1000,
    address_actions_reserve=100,
)

spending = st.lists(
    st.tuples(
        # Steps that fall on, just before and just after the edge of the window.
        st.sampled_from([0, 1, NS_PER_S, 30 * NS_PER_S, WINDOW_NS - 1, WINDOW_NS, WINDOW_NS + 1]),
        st.integers(1, 60),
        st.booleans(),
    ),
    max_size=40,
)


@given(spending)
def test_the_ip_window_is_exactly_the_weight_of_the_last_60_seconds(
    asked: list[tuple[int, int, bool]],
) -> None:
    """A weight counts for 60 seconds and no instant longer; the reserve is for what is urgent."""
    budget = IpBudget(LIMITS)
    spent: list[tuple[int, int]] = []
    now_ns = 0
    for step_ns, weight, is_urgent in asked:
        now_ns += step_ns
        used = sum(w for at_ns, w in spent if now_ns - at_ns < WINDOW_NS)
        assert 100 - used == budget.left(now_ns, is_urgent=True)
        assert 80 - used == budget.left(now_ns, is_urgent=False)
        if budget.left(now_ns, is_urgent=is_urgent) >= weight:
            budget.spend(now_ns, weight)
            spent.append((now_ns, weight))
    in_any_window = [
        sum(w for at_ns, w in spent if start_ns <= at_ns < start_ns + WINDOW_NS)
        for start_ns, _ in spent
    ]

    assert all(weight <= 100 for weight in in_any_window)


@given(
    st.lists(
        st.tuples(st.integers(0, 3000), st.integers(0, 500 * MONEY_SCALE)),
        max_size=30,
    )
)
def test_the_address_budget_is_the_start_plus_one_per_usdc_less_what_was_used(
    done: list[tuple[int, int]],
) -> None:
    budget = AddressBudget(LIMITS)
    used = volume_e8 = 0
    for actions, notional_e8 in done:
        budget.spend(actions)
        budget.earn(notional_e8)
        used += actions
        volume_e8 += notional_e8
        cap = 1000 + volume_e8 // MONEY_SCALE
        assert cap == budget.cap
        assert cap - 100 - used == budget.left(is_cancel=False, is_urgent=False)
        assert cap - used == budget.left(is_cancel=False, is_urgent=True)
        assert 2 * cap - used == budget.left(is_cancel=True, is_urgent=True)


@pytest.mark.parametrize(
    ("volume", "ceiling"),
    [(0, 2_000), (CANCEL_EXTRA - 1000, 2 * CANCEL_EXTRA), (10**6, 1_001_000 + CANCEL_EXTRA)],
)
def test_cancels_have_twice_the_budget_but_at_most_100_000_more(volume: int, ceiling: int) -> None:
    budget = AddressBudget(LIMITS)
    budget.earn(volume * MONEY_SCALE)

    assert ceiling == budget.left(is_cancel=True, is_urgent=True)


def test_the_limits_are_hyperliquids_unless_they_are_set() -> None:
    limits = BudgetLimits()

    assert (1200, 10_000) == (limits.ip_weight_max, limits.address_actions_start)
