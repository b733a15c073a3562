"""The token is renewed in time, by one renewal for all, and never seen by anybody."""

from __future__ import annotations

import asyncio
import pickle

import jwt
import pytest

from connectors.perpex.auth import Renewable, Tokens, expiry_ns
from connectors.web import BODY_BYTES_MAX
from engine.config.secret import Secret
from engine.drive.seams import Clock, ManualClock
from engine.drive.virtual_time import run_virtual, virtual_clock
from engine.errors import CredentialsError, TransportError
from engine.model.units import NS_PER_S
from tests.connectors.perpex.fakes import TOKEN

KEY = "k" * 32


def token(clock: Clock, life_s: float, name: str = "a") -> Secret:
    claims = {"sub": name, "exp": int(clock.now_ns() / NS_PER_S + life_s)}
    return Secret(jwt.encode(claims, KEY, algorithm="HS256"))


class Source:
    """Makes a new token at each call; `fails` says how many calls fail first."""

    def __init__(self, clock: Clock, life_s: float = 600, fails: int = 0) -> None:
        self.calls = 0
        self.fails = fails
        self._clock = clock
        self._life_s = life_s

    async def __call__(self) -> Secret:
        self.calls += 1
        await asyncio.sleep(0.5)
        if self.fails:
            self.fails -= 1
            raise TransportError("the login service is down")
        return token(self._clock, self._life_s, f"call {self.calls}")


def test_a_token_is_renewed_60_s_before_it_ends_and_not_earlier() -> None:
    async def story() -> tuple[int, int, int]:
        source = Source(virtual_clock(), life_s=600)
        tokens = Tokens(source, virtual_clock())
        await tokens.get()
        await asyncio.sleep(538)
        await tokens.get()
        before = source.calls
        await asyncio.sleep(2)
        await tokens.get()
        after = source.calls
        await tokens.get()
        return before, after, source.calls

    assert (1, 2, 2) == run_virtual(story())


def test_ten_who_need_a_new_token_at_once_share_one_renewal() -> None:
    async def story() -> tuple[int, int]:
        source = Source(virtual_clock())
        tokens = Tokens(source, virtual_clock())
        got = await asyncio.gather(*(tokens.get() for _ in range(10)))
        refused = got[0]
        await asyncio.sleep(10)
        await asyncio.gather(*(tokens.renew(refused) for _ in range(10)))
        return len(set(got)), source.calls

    assert (1, 2) == run_virtual(story())


def test_a_renewal_that_fails_keeps_the_present_token_and_is_tried_again_after_5_s() -> None:
    async def story() -> list[int]:
        clock = virtual_clock()
        source = Source(clock, life_s=100)
        tokens = Tokens(source, clock)
        first = await tokens.get()
        await asyncio.sleep(50)
        source.fails = 1
        assert first == await tokens.get()
        calls = [source.calls]
        assert first == await tokens.get()
        calls.append(source.calls)
        await asyncio.sleep(5)
        assert first != await tokens.get()
        return [*calls, source.calls]

    assert [2, 2, 3] == run_virtual(story())


def test_a_source_that_never_answers_is_given_up_after_10_s() -> None:
    async def story() -> float:
        async def never() -> Secret:
            await asyncio.sleep(3600)
            raise AssertionError

        tokens = Tokens(never, virtual_clock())
        with pytest.raises(CredentialsError):
            await tokens.get()
        return virtual_clock().monotonic_ns() / NS_PER_S

    assert 10.0 == run_virtual(story())


def test_a_static_token_that_has_ended_is_refused_with_a_clear_message() -> None:
    async def story() -> None:
        clock = virtual_clock()
        tokens = Tokens(token(clock, 30), clock)
        await tokens.get()
        await asyncio.sleep(31)
        with pytest.raises(CredentialsError, match="expired"):
            await tokens.get()
        assert not tokens.can_renew
        assert not await tokens.renew("anything")

    run_virtual(story())


@pytest.mark.parametrize(
    "claims",
    [{}, {"exp": "soon"}, {"exp": True}, {"exp": -5}, {"exp": 1e300}, {"exp": None}],
)
def test_a_token_without_a_usable_end_never_ends(claims: dict[str, object]) -> None:
    assert 0 == expiry_ns(jwt.encode(claims, KEY, algorithm="HS256"))


@pytest.mark.parametrize("text", ["opaque-api-key", "a.b.c", "...", TOKEN])
def test_a_token_that_is_no_jwt_with_an_end_is_used_as_it_is(text: str) -> None:
    assert 0 == expiry_ns(text)
    assert text == run_virtual(Tokens(Secret(text), ManualClock()).get())


@pytest.mark.parametrize("text", ["a b", "a\r\nX-Evil: 1", "", "é" * 10, "x" * 9_000])
def test_a_token_that_cannot_be_a_header_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(CredentialsError) as caught:
        Tokens(Secret(text), ManualClock())

    assert not text or text not in str(caught.value)


def test_a_token_reaches_no_repr_and_no_pickle() -> None:
    tokens = Tokens(Secret(TOKEN), ManualClock())

    assert TOKEN not in repr(tokens) + repr(vars(tokens).get("_source"))
    with pytest.raises(TypeError):
        pickle.dumps(Secret(TOKEN))


def test_a_token_to_begin_with_is_used_until_what_fetches_the_next_gives_another() -> None:
    async def story() -> tuple[list[bool], int, str]:
        first, second = token(virtual_clock(), 100, "first"), token(virtual_clock(), 600, "second")
        given, asked = [first], []

        async def again() -> Secret:
            asked.append(True)
            if len(asked) == 2:
                raise CredentialsError("the file is being written")
            return given[0]

        tokens = Tokens(Renewable(first, again), virtual_clock())
        told = [await tokens.get() == first.reveal()]
        asked_before = len(asked)
        await asyncio.sleep(45)
        told += [await tokens.get() == first.reveal()]
        await asyncio.sleep(6)
        told += [await tokens.get() == first.reveal()]
        given[0] = second
        await asyncio.sleep(6)
        told += [await tokens.get() == second.reveal()]
        return told, asked_before, tokens.scrub(first.reveal())

    assert ([True] * 4, 0, "(hidden)") == run_virtual(story())


def test_a_first_token_that_cannot_be_sent_is_an_error_at_once() -> None:
    async def again() -> Secret:
        return Secret(TOKEN)

    with pytest.raises(CredentialsError, match="not one line of printable characters"):
        Tokens(Renewable(Secret("two\nlines"), again), ManualClock(0))


def test_a_token_that_is_read_again_and_again_drives_no_other_out_of_what_is_hidden() -> None:
    given = ["opaque-key-1"]

    async def again() -> Secret:
        return Secret(given[0])

    async def story() -> str:
        tokens = Tokens(Renewable(Secret("opaque-key-1"), again), virtual_clock())
        given[0] = "opaque-key-2"
        await tokens.renew("opaque-key-1")
        for _ in range(100):
            await asyncio.sleep(6)
            await tokens.renew("opaque-key-2")
        return tokens.scrub("opaque-key-1 opaque-key-2")

    assert "(hidden) (hidden)" == run_virtual(story())


def test_scrub_hides_every_token_ever_held_and_whatever_has_the_form_of_one() -> None:
    async def story() -> list[str]:
        clock = virtual_clock()
        tokens = Tokens(Source(clock), clock)
        first = await tokens.get()
        await asyncio.sleep(6)
        await tokens.renew(first)
        second = await tokens.get()
        return [tokens.scrub(f"<{text}>") for text in (first, second, TOKEN, "plain words")]

    assert ["<(hidden)>", "<(hidden)>", "<(hidden)>", "<plain words>"] == run_virtual(story())


def test_an_opaque_key_is_hidden_too() -> None:
    tokens = Tokens(Secret("opaque-key-1"), ManualClock())

    assert "no (hidden) here" == tokens.scrub("no opaque-key-1 here")


def test_the_longest_answer_there_may_be_is_scrubbed_in_no_time() -> None:
    tokens, long = Tokens(Secret("opaque-key-1"), ManualClock()), "a" * BODY_BYTES_MAX

    assert f"{long} (hidden)" == tokens.scrub(f"{long} {TOKEN}")


def test_a_refused_token_is_replaced_at_the_next_use() -> None:
    async def story() -> tuple[str, str]:
        tokens = Tokens(Source(virtual_clock()), virtual_clock())
        first = await tokens.get()
        await asyncio.sleep(6)
        tokens.refuse(first)
        return first, await tokens.get()

    first, second = run_virtual(story())
    assert first != second
