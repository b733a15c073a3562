"""What must hold of books in changes, of request limits and of tokens, whatever comes."""

from __future__ import annotations

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.simulated.clock import VenueClock
from connectors.simulated.core import VenueCore
from connectors.simulated.perpex.channels import BookPublisher
from connectors.simulated.perpex.errors import HTTP_STATUS, Refusal, code_of
from connectors.simulated.perpex.limits import RequestLimits
from connectors.simulated.perpex.settings import PerpexFaceSettings
from connectors.simulated.perpex.tokens import TokenDesk
from connectors.simulated.settings import VenueSettings
from engine.drive.seams import ManualClock, SeededRandomness
from engine.errors import ModelError
from engine.model.events import BookSnapshot
from engine.model.units import NS_PER_S
from tests.connectors.simulated.perpex.scene import ALICE, START_NS, Json, QuietSource

SIDES = st.lists(st.integers(0, 9), min_size=12, max_size=12)


class Reader:
    """A client that keeps a book as the page says."""

    def __init__(self) -> None:
        self.bids: dict[str, str] = {}
        self.asks: dict[str, str] = {}
        self.seqs: list[int] = []

    def send(self, frame: Json) -> None:
        self.seqs.append(frame["seq"])
        for mine, levels in (
            (self.bids, frame["data"]["bids"]),
            (self.asks, frame["data"]["asks"]),
        ):
            if frame["type"] == "snapshot":
                mine.clear()
            for px, sz in levels:
                assert sz != "0.0"
                if sz == "0":
                    del mine[px]
                else:
                    mine[px] = sz


@given(books=st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=8), depth=st.integers(1, 8))
def test_a_snapshot_and_its_changes_are_the_book(
    books: list[tuple[list[int], list[int]]], depth: int
) -> None:
    core = VenueCore(VenueSettings(), VenueClock(ManualClock(START_NS)), QuietSource())
    instrument = core.instruments["BTC"]
    publisher = BookPublisher(core, instrument, depth)
    reader = Reader()
    for seq, (bids, asks) in enumerate(books, 1):
        core.play([_book(instrument.id, seq, bids, asks)])
        if seq == 1:
            publisher.subscribe(reader)
        publisher.is_dirty = True
        publisher.flush()

        shown = core.public[instrument.id].book(depth)
        assert {str(float(one.px_ticks // 10)): str(one.sz_lots / 10**5) for one in shown[0]} == (
            reader.bids
        )
        assert {str(float(one.px_ticks // 10)): str(one.sz_lots / 10**5) for one in shown[1]} == (
            reader.asks
        )
    assert reader.seqs == list(range(reader.seqs[0], reader.seqs[0] + len(reader.seqs)))


def _book(where: str, seq: int, bids: list[int], asks: list[int]) -> BookSnapshot:
    """Sizes at 100,000 and below, and at 100,001 and above; 0 is no level."""
    bid = [(100_000.0 - n, float(size)) for n, size in enumerate(bids) if size]
    ask = [(100_001.0 + n, float(size)) for n, size in enumerate(asks) if size]
    return BookSnapshot(
        START_NS,
        START_NS,
        where,
        seq,
        tuple(px for px, _ in bid),
        tuple(sz for _, sz in bid),
        tuple(px for px, _ in ask),
        tuple(sz for _, sz in ask),
    )


# -- limits ----------------------------------------------------------------------------------------


SPENDING = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 3)), max_size=40)


@given(steps=SPENDING, most=st.integers(3, 6))
def test_no_span_ever_has_more_requests_and_the_wait_that_is_told_is_the_least(
    steps: list[tuple[int, int]], most: int
) -> None:
    clock = ManualClock()
    limits = RequestLimits(PerpexFaceSettings(requests_max=most), clock)
    passed: list[int] = []
    for wait, requests in steps:
        clock.advance(wait * NS_PER_S)
        now_s = clock.monotonic_ns() // NS_PER_S
        told = next(s for s in range(61) if _fits(passed, now_s + s, requests, most))
        if told:
            with pytest.raises(Refusal) as refused:
                limits.spend("key", requests)
            assert str(told) == refused.value.headers["Retry-After"]
            clock.advance(told * NS_PER_S)
        limits.spend("key", requests)
        passed += [clock.monotonic_ns() // NS_PER_S] * requests


def _fits(passed: list[int], at_s: int, requests: int, most: int) -> bool:
    """Whether so many more fit into the minute that ends then."""
    return len([second for second in passed if second > at_s - 60]) + requests <= most


# -- tokens ----------------------------------------------------------------------------------------


def desk(clock: ManualClock, *, offset_s: int = 0) -> TokenDesk:
    return TokenDesk(VenueClock(clock, offset_s * NS_PER_S), SeededRandomness(7), strict=True)


def test_a_token_says_its_end_in_real_time_whatever_the_venues_clock_shows() -> None:
    clock = ManualClock(START_NS)
    tokens = desk(clock, offset_s=-86_400)
    token = tokens.issue(ALICE, 30)
    claims = jwt.decode(token, options={"verify_signature": False})

    assert (ALICE, START_NS / NS_PER_S + 30) == (claims["sub"], claims["exp"])
    clock.advance(29 * NS_PER_S)
    assert ALICE == tokens.read(token).address
    clock.advance(NS_PER_S)
    with pytest.raises(Refusal, match="expired"):
        tokens.read(token)


@given(text=st.text(max_size=300))
def test_a_strict_venue_takes_no_token_but_its_own(text: str) -> None:
    with pytest.raises(Refusal):
        desk(ManualClock(START_NS)).read(text)


def test_a_token_of_another_secret_or_without_a_signature_is_refused() -> None:
    clock = ManualClock(START_NS)
    claims = jwt.decode(desk(clock).issue(ALICE, 60), options={"verify_signature": False})
    other = TokenDesk(VenueClock(clock), SeededRandomness(8), strict=False)
    for token in (
        desk(clock).issue(ALICE, 60),
        jwt.encode(claims, None, algorithm="none"),
    ):
        with pytest.raises(Refusal):
            other.read(token)


def test_the_secret_is_not_shown() -> None:
    assert "TokenDesk(hidden)" == repr(desk(ManualClock()))


# -- errors and settings ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("Insufficient margin to place order.", "INSUFFICIENT_MARGIN"),
        (
            "Order would cause position to exceed margin tier limit at current leverage",
            "INSUFFICIENT_MARGIN",
        ),
        ("Order must have minimum value of $10.", "INVALID_SIZE"),
        ("Price must be divisible by tick size.", "INVALID_PRICE"),
        ("Invalid TP/SL price.", "INVALID_PRICE"),
        ("Reduce only order would increase position.", "REDUCE_ONLY_REJECTED"),
        (
            "Post only order would have immediately matched, bbo was 1@2.",
            "POST_ONLY_WOULD_CROSS",
        ),
        ("Too many open orders.", "ORDER_REJECTED"),
        ("Whatever else.", "ORDER_REJECTED"),
    ],
)
def test_the_exchanges_words_become_codes(reason: str, code: str) -> None:
    assert code == code_of(reason)
    assert 400 <= HTTP_STATUS[code] < 500


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("prefixes", ()),
        ("prefixes", ("api",)),
        ("requests_max", 0),
        ("subscriptions_max", 0),
        ("ping_after_s", 0.0),
        ("tokens_ttl_s", -1.0),
    ],
)
def test_settings_that_make_no_sense_are_refused(name: str, value: object) -> None:
    with pytest.raises(ModelError, match=name):
        PerpexFaceSettings(**{name: value})  # type: ignore[arg-type]
