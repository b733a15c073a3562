"""A daemon dies at a step of its own; the next one takes everything up, doubles and loses nothing.

A step is what others can see: a record appended, the journal flushed or synced, a request begun or
answered. Steps are the same for the same seed, so "the n-th" is the same moment in every run, until
the daemon dies. Here a part of all n is tried; `PERPD_SIMULATION=all` tries each.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.simulation.scenes import Death, play

SEED = 1
IS_ALL = os.environ.get("PERPD_SIMULATION") == "all"
EVERY = 1 if IS_ALL else 29


@pytest.mark.parametrize("loses_power", [False, True], ids=["kill", "power"])
def test_a_daemon_may_die_at_any_of_its_steps(
    tmp_path: Path,
    loses_power: bool,  # noqa: FBT001 - a case
) -> None:
    steps = play(tmp_path, SEED).steps
    assert steps > 100
    # The last scene's daemon reaches its end: a clean pass.
    for step in range(1 + 14 * loses_power, steps + EVERY, EVERY):
        folder = tmp_path / f"{step}"
        folder.mkdir()
        story = play(folder, SEED, deaths=(Death(step, loses_power=loses_power),))
        assert ("lived" in story.deaths) is (step > steps), step


def test_the_next_one_may_die_at_any_of_its_steps_too(tmp_path: Path) -> None:
    """Most of all before it has taken over what the first left."""
    for step in range(1, 120, 1 if IS_ALL else 17):
        folder = tmp_path / f"{step}"
        folder.mkdir()
        story = play(folder, SEED, deaths=(Death(220), Death(step)))
        assert "lived" not in story.deaths


def test_one_that_dies_at_once_for_a_long_time_leaves_all_to_the_one_that_does_not(
    tmp_path: Path,
) -> None:
    deaths = Death(220), *[Death(step) for step in range(3, 60, 7)]
    # What is left is checked by the scene: `play` raises where an order is doubled or lost.
    story = play(tmp_path, SEED, deaths=deaths)
    assert (len(deaths), False) == (len(story.deaths), "lived" in story.deaths)
    assert story.fills > 0
