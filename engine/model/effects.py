"""What `Engine.step` asks of its driver. An effect is a value; the driver performs it."""

from __future__ import annotations

import msgspec

from engine.model.commands import Batch, Refused


class Submit(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Send this batch to the venue."""

    batch: Batch


class SetTimer(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Send `TimerFired(strategy, name)` at `at_ns`."""

    strategy: str
    name: str
    at_ns: int


class Record(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Write a refusal into the run's record."""

    refusal: Refused


class AskOrder(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Ask the venue what became of an order whose outcome is unclear; the answer is an event.

    `generation` is the newest that may live. `OrderAccepted` names the one that was found, and
    `OrderCanceled` of this one says that none is left.
    """

    account: str
    instrument: str
    cloid: str
    generation: int


class Notify(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Tell a person."""

    level: str
    text: str


Effect = Submit | SetTimer | Record | AskOrder | Notify
