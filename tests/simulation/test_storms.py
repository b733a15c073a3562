"""Seeded storms: lost, late and doubled messages, broken streams, and daemons that die in them.

A seed is a whole story, repeated exactly; one that fails names itself. `PERPD_SIMULATION=all` plays
ten times as many.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

import pytest

from engine.journal import JournalReader
from engine.journal.reader import MetaRecord
from tests.simulation.scenes import Death, play
from tests.simulation.weather import MUD, STORM, Climate

SEEDS = 600 if os.environ.get("PERPD_SIMULATION") == "all" else 24


def deaths(seed: int) -> tuple[Death, ...]:
    """None to three, anywhere in a run or its opening."""
    dice = random.Random(seed)  # noqa: S311 - repeatable, and no secret
    return tuple(
        Death(dice.randint(1, 900), loses_power=dice.random() < 0.3)
        for _ in range(dice.randint(0, 3))
    )


@pytest.mark.parametrize(
    ("climate", "expected"),
    [
        (STORM, {"lost before", "lost after", "slow", "read lost", "frame doubled"}),
        (MUD, {"slow", "frame doubled"}),
    ],
    ids=["storm", "mud"],
)
def test_whatever_the_weather_no_order_is_doubled_or_lost_and_the_ledger_closes(
    tmp_path: Path, climate: Climate, expected: set[str]
) -> None:
    faults: Counter[str] = Counter()
    fills = died = 0
    for seed in range(SEEDS):
        folder = tmp_path / f"{seed}"
        folder.mkdir()
        try:
            story = play(folder, seed, deaths=deaths(seed), climate=climate, for_s=8.0)
        except BaseException as error:
            error.add_note(f"seed {seed}, deaths {deaths(seed)}")
            raise
        faults.update(story.faults)
        fills += story.fills
        died += sum("lived" != how for how in story.deaths)

    assert expected <= {what for what, count in faults.items() if count}
    assert fills > SEEDS
    assert died > SEEDS // 2


def test_the_same_seed_is_the_same_story(tmp_path: Path) -> None:
    stories = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        stories.append(play(folder, 5, deaths=deaths(5), climate=STORM, for_s=8.0))
    # Only the folder that the strategies are looked for in is another.
    first, second = (
        [one for one in JournalReader(tmp_path / name / "journal") if type(one) is not MetaRecord]
        for name in "ab"
    )

    assert stories[0] == stories[1]
    assert first == second
