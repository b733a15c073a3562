"""The same events give the same effects: twice, in another process, and through the journal's form.

The life is random, but seeded; it is made once, and then told again to fresh engines.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from engine.model.effects import Effect
from engine.model.events import AnyEvent
from tests.engine.random_events import engine_of, life

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("seed", range(4))
def test_the_same_events_give_the_same_effects(seed: int) -> None:
    events, effects = life(seed)
    engine = engine_of(seed)

    assert effects == [engine.step(event) for event in events]


@pytest.mark.parametrize("seed", range(2))
def test_events_and_effects_come_back_the_same_from_bytes(seed: int) -> None:
    """And the engine takes what was written down as it took what had happened."""
    events, effects = life(seed)
    read = msgspec.msgpack.Decoder(list[AnyEvent]).decode(msgspec.msgpack.encode(events))
    engine = engine_of(seed)
    again = [engine.step(event) for event in read]

    assert msgspec.msgpack.encode(effects) == msgspec.msgpack.encode(again)
    decoder = msgspec.msgpack.Decoder(list[tuple[Effect, ...]])
    assert effects == decoder.decode(msgspec.msgpack.encode(again))


def test_the_order_of_sets_and_dicts_decides_nothing() -> None:
    """Python salts its hashes anew in every process."""
    digests = {
        subprocess.run(
            [sys.executable, "-m", "tests.engine.random_events", "5"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": salt},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for salt in ("0", "1", "4294967295")
    }

    assert 1 == len(digests)
    assert 64 == len(digests.pop().strip())


def test_the_lives_are_eventful() -> None:
    """Else the tests above would hold of an engine that did nothing."""
    kinds = Counter(
        type(effect).__name__ for seed in range(4) for done in life(seed)[1] for effect in done
    )

    assert {"Submit", "Record", "SetTimer", "AskOrder"} <= set(kinds)
    assert min(kinds.values()) > 10
