"""A whole daemon against the loopback venue: streams that stall, ends of every kind, secrets.

Strategies are plugin files beside the config. Where the venue's own books are compared with, it is
in this process and the daemon is either here too or a process of its own.
"""

from __future__ import annotations

import asyncio
import base64
import json
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from connectors.freshness import FreshnessSettings
from connectors.simulated.orders import OrderRecord
from connectors.simulated.server import LoopbackVenue
from engine.cli.app import run
from engine.config import load_config
from engine.config.secret import Secret
from engine.drive.daemon import Daemon, Finished
from engine.drive.recorded import replay_run
from engine.drive.seams import SystemClock, SystemRandomness
from engine.drive.venues import open_venues
from engine.journal.reader import EffectsRecord, EventRecord, Record
from engine.model import effects
from engine.model.commands import Outgoing
from engine.model.events import OrderFilled, StreamChanged, StreamPhase
from engine.model.units import NS_PER_S, Side
from tests.acceptance.daemon_parts import (
    BOTH,
    BUNDLED,
    HOLDER,
    KEY,
    KEY_NAME,
    LOCAL,
    QUICK,
    STEADY,
    VENUE,
    WAIT_S,
    Process,
    account_of,
    held_lots,
    placed,
    records,
    write,
)

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(90)]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - of another's state, which tells nobody
            await asyncio.sleep(0.01)


def fills_of(venue: LoopbackVenue, coin: str, side: Side) -> int:
    """How often the account bought or sold a coin, as the venue has it."""
    account = account_of(venue)
    assert account is not None
    rows = account.history.fills
    return sum(row.instrument.coin == coin and row.side == side for row in rows)


# -- a stalled stream ------------------------------------------------------------------------------


class Running(NamedTuple):
    """A daemon in this process, its venue, and the run that ends when it is stopped."""

    venue: LoopbackVenue
    daemon: Daemon
    ending: asyncio.Task[Finished]

    def blocked(self, where: str) -> frozenset[str]:
        """What keeps new risk from an instrument."""
        assert self.daemon.driver is not None
        return frozenset(self.daemon.driver.engine.markets[where].blocked)


@asynccontextmanager
async def running(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *parts: str
) -> AsyncIterator[Running]:
    """A daemon that trades, with links as `perpd run` makes them."""
    monkeypatch.setenv(KEY_NAME, KEY)
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    async with LoopbackVenue(QUICK) as venue:
        loaded = load_config(write(folder, VENUE, *parts, url=venue.http_url))
        randomness = SystemRandomness()
        async with open_venues(loaded, SystemClock(), randomness) as venues:
            daemon = Daemon(loaded, venues, randomness=randomness)
            ending = asyncio.ensure_future(daemon.run())
            try:
                yield Running(venue, daemon, ending)
            finally:
                daemon.stop("the test is over")
                await ending


class Stalled(NamedTuple):
    """The journal's records before, in, and after the time in which a coin was blocked."""

    before: list[Record]
    meanwhile: list[Record]
    after: list[Record]


def split_by_stall(folder: Path, where: str) -> Stalled:
    """By the first stream of an instrument that is stale, and the last that is ready again."""
    said = records(folder)
    stale, ready = (
        [
            index
            for index, record in enumerate(said)
            if isinstance(record, EventRecord)
            and isinstance(record.event, StreamChanged)
            and (record.event.instrument, record.event.phase) == (where, phase)
        ]
        for phase in (StreamPhase.STALE, StreamPhase.READY)
    )
    first, last = stale[0], ready[-1]
    return Stalled(said[: first + 1], said[first + 1 : last], said[last:])


def sent(of: list[Record], where: str, *, reduce_only: bool) -> dict[str, Outgoing]:
    """Orders of a kind that were sent, by cloid."""
    return {
        cloid: outgoing
        for cloid, (place, outgoing) in placed(of).items()
        if (place.instrument, place.reduce_only) == (where, reduce_only)
    }


def filled(of: list[Record]) -> set[str]:
    return {
        record.event.cloid
        for record in of
        if isinstance(record, EventRecord) and isinstance(record.event, OrderFilled)
    }


def refused(of: list[Record]) -> set[tuple[str, str]]:
    """(instrument, check) of every refusal."""
    return {
        (effect.refusal.instrument, effect.refusal.check)
        for record in of
        if isinstance(record, EffectsRecord)
        for effect in record.effects
        if isinstance(effect, effects.Record)
    }


async def test_a_stalled_stream_blocks_new_risk_on_its_coin_alone_and_reduces_go_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_ns = round(FreshnessSettings().least_s * NS_PER_S)
    async with running(tmp_path, monkeypatch, STEADY) as one:
        venue = one.venue
        await until(lambda: account_of(venue) and fills_of(venue, "BTC", Side.SELL) > 9)
        stalled_ns = one.daemon.clock.now_ns()
        for channel in ("l2Book", "bbo", "trades", "activeAssetCtx"):
            venue.faults.ws.stall(channel, "BTC")
        await until(lambda: one.blocked("hl:BTC"))
        bought, sold = fills_of(venue, "ETH", Side.BUY), fills_of(venue, "BTC", Side.SELL)
        await until(
            lambda: (
                len(one.blocked("hl:BTC")) == 4
                and fills_of(venue, "ETH", Side.BUY) > bought + 1
                and fills_of(venue, "BTC", Side.SELL) > sold + 1
            )
        )
        venue.faults.ws.release()
        await until(lambda: not one.blocked("hl:BTC"))
        bought = fills_of(venue, "BTC", Side.BUY)
        await until(lambda: fills_of(venue, "BTC", Side.BUY) > bought + 1)
        one.daemon.stop("seen enough")
        finished = await one.ending

    stall = split_by_stall(tmp_path, "hl:BTC")
    stale = stall.before[-1]
    assert isinstance(stale, EventRecord)
    # The limit counts from the last data before the stall; a second is for a busy machine.
    assert limit_ns / 2 < stale.event.ts_local_ns - stalled_ns < limit_ns + NS_PER_S
    assert {("hl:BTC", "stream_ready")} == refused(stall.meanwhile)
    assert set() == refused(stall.before)

    adds = sent(stall.meanwhile, "hl:ETH", reduce_only=False)
    reduces = sent(stall.meanwhile, "hl:BTC", reduce_only=True)
    assert {} == sent(stall.meanwhile, "hl:BTC", reduce_only=False)
    assert adds.keys() & filled(stall.meanwhile)
    assert reduces.keys() & filled(stall.meanwhile)
    assert all(outgoing.expires_ms > 0 for outgoing in adds.values())
    assert {0} == {outgoing.expires_ms for outgoing in reduces.values()}
    again = sent(stall.after, "hl:BTC", reduce_only=False)
    assert again.keys() & filled(stall.after)

    facts = finished.live["accounts"]["main"]
    assert (None, True, 0.0) == (finished.fault, facts["positions_agree"], facts["cash_gap"])
    assert replay_run(tmp_path / "journal").is_identical


# -- one file for both, and what its journal says --------------------------------------------------


def test_one_file_runs_as_a_daemon_and_in_a_backtest_and_its_journal_replays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(write(tmp_path, LOCAL, BUNDLED))
    tape = str(tmp_path / "market.tape")

    def said(*command: str) -> str:
        assert 0 == run(command), capsys.readouterr().err
        return capsys.readouterr().out

    said("data", "generate", "--out", tape, "--coin", "BTC", "--minutes", "3")
    live = json.loads(said("run", config, "--for", "2s", "--json"))
    backtest = json.loads(said("backtest", config, "--json"))
    replayed = said("replay", str(tmp_path / "journal"))

    assert ({"quotes"}, {"quotes"}) == (set(live["per_strategy"]), set(backtest["per_strategy"]))
    for summary in (live, backtest):
        assert summary["per_strategy"]["quotes"]["orders"] > 0
    assert live["live"]["accounts"]["main"]["positions_agree"] is True
    assert replayed.startswith("identical: 1 runs, ")


# -- how a run ends --------------------------------------------------------------------------------


def kinds(orders: list[OrderRecord]) -> list[str]:
    """Whether each live order only reduces."""
    return sorted("protects" if record.new.reduce_only else "adds" for record in orders)


@pytest.mark.parametrize(
    ("policy", "kept", "is_flat"),
    [("keep_protection", ["protects"], False), ("cancel_all", [], False), ("flatten", [], True)],
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_a_run_cleanly_under_on_stop(
    number: signal.Signals, policy: str, kept: list[str], is_flat: bool, tmp_path: Path  # noqa: FBT001
) -> None:  # fmt: skip
    async with LoopbackVenue(QUICK) as venue:
        write(tmp_path, VENUE, HOLDER, f'on_stop = "{policy}"\n', url=venue.http_url)
        daemon = Process(tmp_path)
        await daemon.start()
        await daemon.until(lambda: (found := account_of(venue)) and len(found.live()) == 2)
        daemon.signal(number)
        end = await daemon.ended()
        account = account_of(venue)
        assert account is not None

        assert (0, kept) == (end.code, kinds(account.live()))
        assert is_flat is (held_lots(venue) == 0)
    assert [f"perpd: {number.name}: stopping (once more ends at once)"] == end.last_words
    assert "positions agree" in end.out
    assert "Traceback" not in end.err
    # What is left without a stop is named.
    assert ("is left without a stop" in end.out) is (policy == "cancel_all")


async def test_a_strategy_that_raises_ends_the_run_and_keeps_what_protects(tmp_path: Path) -> None:
    async with LoopbackVenue(QUICK) as venue:
        write(tmp_path, VENUE, HOLDER, "params = { raises = true }\n", url=venue.http_url)
        daemon = Process(tmp_path)
        await daemon.start()
        end = await daemon.ended()
        account = account_of(venue)
        assert account is not None

        assert (1, ["protects"]) == (end.code, kinds(account.live()))
        assert held_lots(venue) > 0
    said = "ended by a fault: ValueError: a mistake of the strategy"
    assert [f"perpd: {said}"] == end.last_words
    assert "positions agree" in end.out
    # The journal is whole: what the strategy raised at is in it, and it raises there again.
    assert "raise ValueError" in end.err
    # The journal is whole: the strategy raises again where it did, and all that followed is equal.
    assert 3 == len(placed(records(tmp_path)))
    assert replay_run(tmp_path / "journal").is_identical


MISTAKES: list[tuple[str, dict[str, str], int, str]] = [
    ("symbols", {'["BTC"]': '["NOPE"]'}, 2, "NOPE"),
    ("no key", {'key = "env:PERPD_TEST_KEY"': ""}, 2, "accounts.main.key: missing"),
    ("unset key", {"env:PERPD_TEST_KEY": "env:PERPD_UNSET"}, 2, "PERPD_UNSET is not set"),
    ("written out", {"env:PERPD_TEST_KEY": KEY}, 2, "key"),
    ("not a key", {}, 2, "a private key is 64 hex digits"),
    ("another's key", {"key =": f'address = "0x{"ab" * 20}"\nkey ='}, 2, "for 0xabab"),
    ("unreachable", {"{url}": "http://127.0.0.1:9"}, 1, "not connected"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "changes", "code", "said"), MISTAKES, ids=[case[0] for case in MISTAKES]
)
async def test_a_mistake_is_one_line_and_a_code_and_never_shows_the_key(
    name: str, changes: dict[str, str], code: int, said: str, tmp_path: Path
) -> None:
    key = KEY + "zz" if name == "not a key" else KEY
    text = VENUE + HOLDER
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    async with LoopbackVenue(QUICK) as venue:
        write(tmp_path, text, url=venue.http_url)
        daemon = Process(tmp_path, key)
        await daemon.start("--for", "2s")
        end = await daemon.ended()

    assert (code, "") == (end.code, end.out)
    (line,) = end.err.splitlines()
    assert line.startswith("perpd: ")
    assert said in line
    assert KEY[2:] not in line


# -- secrets ---------------------------------------------------------------------------------------


def forms(secret: str) -> set[bytes]:
    """How a secret might be written: as it is, and a key also without 0x, as bytes, base64, int."""
    digits = secret.removeprefix("0x")
    if len(digits) != 64:
        # Of a token the claims and the signature; its header is no secret.
        return {part.encode() for part in secret.split(".")[1:]}
    raw = bytes.fromhex(digits)
    texts = [digits.lower(), digits.upper(), str(int(digits, 16)), base64.b64encode(raw).decode()]
    return {raw, *(text.encode() for text in texts)}


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def leaks(secrets: set[str], folder: Path, *printed: str) -> list[str]:
    """Where one of the secrets is found: in a file below the folder, or in what was printed."""
    files = {str(path): path.read_bytes() for path in files_below(folder)}
    texts = files | {f"printed {index}": text.encode() for index, text in enumerate(printed)}
    wanted = {form for secret in secrets for form in forms(secret)}
    return [name for name, data in texts.items() if any(form in data for form in wanted)]


async def test_a_key_is_in_no_journal_log_report_or_summary(tmp_path: Path) -> None:
    async with LoopbackVenue(QUICK) as venue:
        write(tmp_path, VENUE, STEADY, url=venue.http_url)
        daemon = Process(tmp_path)
        await daemon.start("--for", "2s", "-v", "--json", "--out", str(tmp_path / "report"))
        end = await daemon.ended()

    assert 0 == end.code
    assert "trading" in end.err
    assert {".journal", ".html", ".json"} <= {path.suffix for path in files_below(tmp_path)}
    assert [] == leaks({KEY}, tmp_path, end.out, end.err)
    (tmp_path / "told.txt").write_text(f"the key is {KEY.upper()}", encoding="utf-8")
    assert [str(tmp_path / "told.txt")] == leaks({KEY}, tmp_path)


def test_neither_the_keys_nor_the_tokens_of_the_embedded_exchange_are_written_anywhere(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets: set[str] = set()
    wrap = Secret.__init__

    def overhear(self: Secret, value: str) -> None:
        secrets.add(value)
        wrap(self, value)

    monkeypatch.setattr(Secret, "__init__", overhear)
    config = write(tmp_path, LOCAL, BOTH)

    code = run(["run", str(config), "--for", "2s", "-v", "--json", "--out", str(tmp_path / "out")])

    printed = capfd.readouterr()
    assert 0 == code, printed.err
    assert {True, False} == {secret.count(".") == 2 for secret in secrets}
    assert [] == leaks(secrets, tmp_path, printed.out, printed.err)
