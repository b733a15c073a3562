"""The answer to a POST of one order or of several, as one answer for each of them.

What is missing, doubled in place, or cannot be read leaves its order unclear: a POST that succeeded
has done something, and nobody knows what. So does an error whose code is not known: a success has
no status that would say that nothing was done.
"""

from __future__ import annotations

from connectors.perpex.mapping.read import Payload, Quarantine, decode, read_fault
from connectors.perpex.mapping.wire import BatchResultWire, BatchWire, OrderWire, is_given
from connectors.perpex.rest import Outcome, Unclear
from engine.errors import VenueError

UNREADABLE = Unclear("the answer cannot be read")


def split_answer(payload: Payload, count: int, quarantine: Quarantine) -> list[OrderWire | Outcome]:
    """One answer for each of `count` orders, in their order."""
    try:
        if count == 1:
            return [decode(payload.raw, OrderWire)]
        batch = decode(payload.raw, BatchWire)
        results = [decode(raw, BatchResultWire) for raw in batch.results]
    except VenueError:
        quarantine.keep("answer to orders", payload.raw)
        return [UNREADABLE] * count
    answers: list[OrderWire | Outcome] = [UNREADABLE] * count
    is_complete = len(results) == count
    seen: set[int] = set()
    for place, result in enumerate(results):
        index = place if result.index is None and is_complete else result.index
        if index is None or not 0 <= index < count or index in seen:
            quarantine.keep("result without an order", payload.raw)
            if index in seen:
                answers[index] = UNREADABLE
            continue
        seen.add(index)
        try:
            answers[index] = _result(result, payload.status)
        except VenueError:
            quarantine.keep("order of a batch", payload.raw)
    return answers


def _result(result: BatchResultWire, status: int) -> OrderWire | Outcome:
    """One result of a batch. Raises VenueError when it is neither an order nor an error."""
    if is_given(result.order):
        return decode(result.order, OrderWire)
    if not is_given(result.error):
        raise VenueError("perpex: a result that is neither an order nor an error")
    return read_fault(status, result.error)
