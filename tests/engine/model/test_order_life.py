"""The order life cycle, pair by pair, and the promises it makes as a whole."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.orders import ANOMALIES, FINAL, NEXT, OrderState, Signal, advance, is_final

S, G = OrderState, Signal
LIVE = [state for state in S if state not in FINAL]
VENUE_ENDS = {G.FILL_ALL, G.CANCELED, G.REJECT}

# What the house promises of every pair, written again as a picture: rows are states, columns are
# signals in their order; a letter is the state after it.
LETTERS = dict(zip("SWOCMUFXR", S, strict=True))
#              ACCEPT WAIT REJECT PART ALL TRIGGER CANCEL_SENT
#              CANCELED CANCEL_REJECT MODIFY_SENT REPLACED MODIFY_REJECT UNCLEAR
PICTURE = {
    S.SENT: "OWROFOC XUMOUU",
    S.WAITING: "OWROFOC XUMOUU",
    S.OPEN: "OOUOFOC XUMOUU",
    S.CANCELING: "CCRCFCC XUCCCU",
    S.MODIFYING: "MMRMFMC XMMOUU",
    S.UNKNOWN: "OWROFOU XUUOUU",
    S.FILLED: "FFFFFFF FFFUFF",
    S.CANCELED: "XXXXFXX XXXUXX",
    S.REJECTED: "UURUFUR URRURR",
}


def test_every_pair_of_state_and_signal_has_its_answer() -> None:
    """The whole table, read against a second drawing of it."""
    drawn = {
        (state, signal): LETTERS[letter]
        for state, row in PICTURE.items()
        for signal, letter in zip(Signal, row.replace(" ", ""), strict=True)
    }

    assert drawn == {pair: advance(*pair) for pair in product(S, G)}


def test_the_table_has_one_row_per_state_and_one_column_per_signal() -> None:
    assert len(S) == len(NEXT)
    assert {len(G)} == {len(row) for row in NEXT}


@pytest.mark.parametrize("state", S)
def test_a_state_is_final_exactly_when_it_is_named_so(state: OrderState) -> None:
    assert (state in FINAL) is is_final(state)


def test_a_final_state_is_left_only_by_the_named_revivals() -> None:
    """A late fill turns canceled into filled; signs of life question a reject, a modify any end."""
    left = {
        (state, signal): advance(state, signal)
        for state, signal in product(FINAL, G)
        if advance(state, signal) is not state
    }
    signs_of_life = (G.ACCEPT, G.WAIT, G.FILL_PART, G.TRIGGER, G.CANCELED, G.REPLACED)

    assert left == {
        (S.FILLED, G.REPLACED): S.UNKNOWN,
        (S.CANCELED, G.REPLACED): S.UNKNOWN,
        (S.CANCELED, G.FILL_ALL): S.FILLED,
        (S.REJECTED, G.FILL_ALL): S.FILLED,
        **{(S.REJECTED, signal): S.UNKNOWN for signal in signs_of_life},
    }


def test_only_the_venues_own_word_ends_an_order() -> None:
    ends = {signal for state, signal in product(LIVE, G) if advance(state, signal) in FINAL}

    assert VENUE_ENDS == ends


@pytest.mark.parametrize("state", LIVE)
def test_a_timeout_ends_no_order(state: OrderState) -> None:
    assert S.UNKNOWN is advance(state, G.UNCLEAR)


@pytest.mark.parametrize("state", LIVE)
def test_a_whole_fill_and_a_cancel_end_every_live_order(state: OrderState) -> None:
    assert S.FILLED is advance(state, G.FILL_ALL)
    assert S.CANCELED is advance(state, G.CANCELED)


@pytest.mark.parametrize(("state", "signal"), sorted(ANOMALIES))
def test_an_anomaly_neither_hides_an_order_nor_invents_an_end(
    state: OrderState, signal: Signal
) -> None:
    """It keeps the state, questions it, or (a late whole fill) is booked."""
    after = advance(state, signal)

    assert after in {state, S.UNKNOWN} or signal in {G.FILL_ALL, G.REPLACED}


@given(st.lists(st.sampled_from(G), max_size=30))
def test_unknown_ends_only_by_the_venues_word(signals: list[Signal]) -> None:
    state = S.SENT
    for signal in signals:
        before, state = state, advance(state, signal)
        if before is S.UNKNOWN and state in FINAL:
            assert signal in VENUE_ENDS
