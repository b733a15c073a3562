"""The life of an order, as a total table: every (state, signal) has an answer.

An unclear outcome is a state, *unknown*, never a failure; only the venue's own word ends an order.
A fill is sufficient evidence that an order lived. Pairs in `ANOMALIES` keep (or question) the state
and are counted, because they mean that a report was late, doubled or contradicts an earlier one.
Orders are keyed by (cloid, generation): a modify makes a new generation.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class OrderState(IntEnum):
    """Where an order is. The last three are final."""

    SENT = 0
    WAITING = 1
    OPEN = 2
    CANCELING = 3
    MODIFYING = 4
    UNKNOWN = 5
    FILLED = 6
    CANCELED = 7
    REJECTED = 8


class Signal(IntEnum):
    """What can happen to an order."""

    ACCEPT = 0
    WAIT = 1
    REJECT = 2
    FILL_PART = 3
    FILL_ALL = 4
    TRIGGER = 5
    CANCEL_SENT = 6
    CANCELED = 7
    CANCEL_REJECT = 8
    MODIFY_SENT = 9
    REPLACED = 10
    MODIFY_REJECT = 11
    UNCLEAR = 12


FINAL: Final = frozenset({OrderState.FILLED, OrderState.CANCELED, OrderState.REJECTED})
_S = OrderState

# Columns in the order of Signal:
# ACCEPT WAIT REJECT FILL_PART FILL_ALL TRIGGER CANCEL_SENT
# CANCELED CANCEL_REJECT MODIFY_SENT REPLACED MODIFY_REJECT UNCLEAR
# fmt: off
NEXT: Final[tuple[tuple[OrderState, ...], ...]] = (
    # SENT: in flight, no answer yet
    (_S.OPEN, _S.WAITING, _S.REJECTED, _S.OPEN, _S.FILLED, _S.OPEN, _S.CANCELING,
     _S.CANCELED, _S.UNKNOWN, _S.MODIFYING, _S.OPEN, _S.UNKNOWN, _S.UNKNOWN),
    # WAITING: a trigger or a child that the venue holds
    (_S.OPEN, _S.WAITING, _S.REJECTED, _S.OPEN, _S.FILLED, _S.OPEN, _S.CANCELING,
     _S.CANCELED, _S.UNKNOWN, _S.MODIFYING, _S.OPEN, _S.UNKNOWN, _S.UNKNOWN),
    # OPEN: resting in the book
    (_S.OPEN, _S.OPEN, _S.UNKNOWN, _S.OPEN, _S.FILLED, _S.OPEN, _S.CANCELING,
     _S.CANCELED, _S.UNKNOWN, _S.MODIFYING, _S.OPEN, _S.UNKNOWN, _S.UNKNOWN),
    # CANCELING: a cancel is in flight; the order still counts
    (_S.CANCELING, _S.CANCELING, _S.REJECTED, _S.CANCELING, _S.FILLED, _S.CANCELING, _S.CANCELING,
     _S.CANCELED, _S.UNKNOWN, _S.CANCELING, _S.CANCELING, _S.CANCELING, _S.UNKNOWN),
    # MODIFYING: a modify is in flight; old and new both count
    (_S.MODIFYING, _S.MODIFYING, _S.REJECTED, _S.MODIFYING, _S.FILLED, _S.MODIFYING, _S.CANCELING,
     _S.CANCELED, _S.MODIFYING, _S.MODIFYING, _S.OPEN, _S.UNKNOWN, _S.UNKNOWN),
    # UNKNOWN: to be settled by asking; counts at its worst until then
    (_S.OPEN, _S.WAITING, _S.REJECTED, _S.OPEN, _S.FILLED, _S.OPEN, _S.UNKNOWN,
     _S.CANCELED, _S.UNKNOWN, _S.UNKNOWN, _S.OPEN, _S.UNKNOWN, _S.UNKNOWN),
    # FILLED: only a modify that went through after all brings it back
    (_S.FILLED, _S.FILLED, _S.FILLED, _S.FILLED, _S.FILLED, _S.FILLED, _S.FILLED,
     _S.FILLED, _S.FILLED, _S.FILLED, _S.UNKNOWN, _S.FILLED, _S.FILLED),
    # CANCELED: a late fill is booked, the order stays gone; a modify brings it back
    (_S.CANCELED, _S.CANCELED, _S.CANCELED, _S.CANCELED, _S.FILLED, _S.CANCELED, _S.CANCELED,
     _S.CANCELED, _S.CANCELED, _S.CANCELED, _S.UNKNOWN, _S.CANCELED, _S.CANCELED),
    # REJECTED: any sign of life contradicts it
    (_S.UNKNOWN, _S.UNKNOWN, _S.REJECTED, _S.UNKNOWN, _S.FILLED, _S.UNKNOWN, _S.REJECTED,
     _S.UNKNOWN, _S.REJECTED, _S.REJECTED, _S.UNKNOWN, _S.REJECTED, _S.REJECTED),
)
# fmt: on

_G = Signal
_LATE: Final = (_G.ACCEPT, _G.WAIT, _G.REJECT, _G.FILL_PART, _G.FILL_ALL, _G.TRIGGER, _G.REPLACED)
ANOMALIES: Final[frozenset[tuple[OrderState, Signal]]] = frozenset(
    {
        (_S.SENT, _G.CANCEL_REJECT),
        (_S.SENT, _G.MODIFY_REJECT),
        (_S.SENT, _G.REPLACED),
        (_S.WAITING, _G.CANCEL_REJECT),
        (_S.WAITING, _G.MODIFY_REJECT),
        (_S.WAITING, _G.REPLACED),
        (_S.OPEN, _G.REJECT),
        (_S.OPEN, _G.CANCEL_REJECT),
        (_S.OPEN, _G.MODIFY_REJECT),
        (_S.OPEN, _G.REPLACED),
        (_S.MODIFYING, _G.CANCEL_REJECT),
        *((_S.FILLED, signal) for signal in (*_LATE, _G.CANCELED)),
        *((_S.CANCELED, signal) for signal in _LATE),
        *((_S.REJECTED, signal) for signal in (*_LATE, _G.CANCELED)),
    }
)

IS_ANOMALY: Final = tuple(
    tuple((state, signal) in ANOMALIES for signal in Signal) for state in OrderState
)


def _is_odd(state: OrderState, signal: Signal) -> bool:
    """Whether a step is more than a live order's next one or its end: it needs a closer look."""
    return (
        IS_ANOMALY[state][signal]
        or state >= OrderState.FILLED
        or OrderState.UNKNOWN in (state, NEXT[state][signal])
        or signal is Signal.MODIFY_REJECT
    )


# Of each (state, signal): the next state, whether it ends a live order, whether the step is odd.
STEPS: Final = tuple(
    tuple(
        (
            NEXT[state][signal],
            state < OrderState.FILLED <= NEXT[state][signal],
            _is_odd(state, signal),
        )
        for signal in Signal
    )
    for state in OrderState
)


def advance(state: OrderState, signal: Signal) -> OrderState:
    """The state after `signal`; total."""
    return NEXT[state][signal]


def is_final(state: OrderState) -> bool:
    """Whether nothing more is expected of an order in this state."""
    return state >= OrderState.FILLED
