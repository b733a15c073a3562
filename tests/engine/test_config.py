"""The config file: what a good one becomes, and the one line that every mistake gives."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.config import (
    LoadedConfig,
    Secret,
    assign_instruments,
    check_symbols,
    load_config,
    resolve_secret,
    resolve_strategies,
)
from engine.errors import ConfigError, UsageError
from engine.model.instruments import Instrument, MarginTier, hyperliquid_instrument
from engine.model.units import NS_PER_S
from risk.limits import Limits
from strategies.ema_cross import EmaCrossParams

KEY = "0x" + "4c" * 32

GOOD = """\
[venues.hl]
kind = "hyperliquid"
network = "testnet"

[accounts.main]
venue = "hl"
address = "0x00000000000000000000000000000000000000aa"
key = "env:PERPD_KEY"

[symbols.BTC]
leverage = 5

[risk]
order_notional_max = 2000.5
leverage_max = 10

[[strategies]]
name = "trend"
use = "ema_cross"
account = "main"
symbols = ["BTC", "ETH"]
params = { fast = 5, slow = 10 }

[[strategies]]
name = "quotes"
use = "market_maker"
account = "main"
symbols = "all"
on_stop = "flatten"

[backtest]
data = "tapes/market"
start = 2025-09-01
end = "2025-09-02T00:00:00+02:00"

[backtest.latency]
feed_ms = 2
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "bot.toml"
    path.write_text(text, encoding="utf-8")
    return path


def load(tmp_path: Path, text: str) -> LoadedConfig:
    return load_config(write(tmp_path, text))


def mistake(tmp_path: Path, text: str) -> str:
    """The one line a wrong config gives, without its file."""
    path = write(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        resolve_strategies(load_config(path))
    file, _, line = str(caught.value).partition(": ")
    assert str(path) == file
    assert "\n" not in line
    return line


# -- what a good one becomes -----------------------------------------------------------------------


def test_a_good_config_keeps_what_it_says_and_gets_the_defaults_for_the_rest(
    tmp_path: Path,
) -> None:
    config = load(tmp_path, GOOD).config

    assert ("hyperliquid", "testnet") == (config.venues["hl"].kind, config.venues["hl"].network)
    assert (5, "cross") == (config.symbols["BTC"].leverage, config.symbols["BTC"].margin_mode)
    assert ["trend", "quotes"] == [strategy.name for strategy in config.strategies]
    assert ["keep_protection", "flatten"] == [item.on_stop for item in config.strategies]
    assert config.backtest is not None
    assert (0.00015, 0.00045) == (config.backtest.fees.maker, config.backtest.fees.taker)
    assert (2.0, 150.0) == (config.backtest.latency.feed_ms, config.backtest.latency.order_ms)
    assert "journal" == config.daemon.journal


def test_the_limits_reach_the_gate_in_its_own_units_and_an_unset_one_is_0(tmp_path: Path) -> None:
    expected = Limits(
        order_notional_max_e8=200_050_000_000,
        position_notional_max_e8=0,
        leverage_max=10,
        open_orders_max=1000,
        price_distance_max=0.2,
        data_age_ns_max=15 * NS_PER_S,
    )

    assert expected == load(tmp_path, GOOD).config.risk.limits()


def test_a_time_may_be_quoted_or_not_and_is_utc_unless_it_has_an_offset(tmp_path: Path) -> None:
    backtest = load(tmp_path, GOOD).config.backtest

    assert backtest is not None
    assert 1_756_684_800 * NS_PER_S == backtest.start_ns
    assert (1_756_684_800 + 22 * 3600) * NS_PER_S == backtest.end_ns


def test_paths_are_taken_from_the_folder_of_the_file(tmp_path: Path) -> None:
    loaded = load(tmp_path, GOOD.replace('"tapes/market"', '["a", "/b"]'))

    assert (tmp_path / "a", Path("/b")) == loaded.data_paths


def test_the_hash_changes_with_the_text(tmp_path: Path) -> None:
    first = load(tmp_path, GOOD)
    second = load(tmp_path, GOOD + "# a comment\n")

    assert first.config == second.config
    assert first.text_hash != second.text_hash


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "bot.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())

    assert load_config(path).config.strategies


def test_strategies_are_resolved_with_their_parameters(tmp_path: Path) -> None:
    trend, quotes = resolve_strategies(load(tmp_path, GOOD))

    assert ("EmaCross", "MarketMaker") == (trend.cls.__name__, quotes.cls.__name__)
    assert EmaCrossParams(fast=5, slow=10) == trend.params
    assert quotes.params == quotes.make().params


# -- what a wrong one says -------------------------------------------------------------------------

TREND = '(strategy "trend")'
WRONG = {
    "a TOML syntax error": (
        'kind = "hyperliquid"',
        "kind = hyperliquid",
        "not valid TOML: Invalid value (at line 2, column 8)",
    ),
    "an unknown section": (
        "[risk]",
        "[risks]",
        'risks: unknown key; did you mean "risk"?',
    ),
    "an unknown key": (
        "order_notional_max",
        "order_notional_mx",
        'risk.order_notional_mx: unknown key; did you mean "order_notional_max"?',
    ),
    "an unknown key with no near one": (
        "leverage = 5",
        "leverage = 5\nqwerty = 1",
        "symbols.BTC.qwerty: unknown key; known keys: leverage, margin_mode",
    ),
    "an unknown key three tables down": (
        "feed_ms",
        "fed_ms",
        'backtest.latency.fed_ms: unknown key; did you mean "feed_ms"?',
    ),
    "an unknown key of a strategy": (
        'on_stop = "flatten"',
        'onstop = "flatten"',
        'strategies[1].onstop (strategy "quotes"): unknown key; did you mean "on_stop"?',
    ),
    "a missing key": (
        'network = "testnet"',
        "",
        'venues.hl.network: missing; expected "mainnet" or "testnet" or "local"',
    ),
    "a missing key of a strategy": (
        'name = "trend"\n',
        "",
        "strategies[0].name: missing; expected a name of letters, digits, '_' and '-'",
    ),
    "a wrong word": (
        '"testnet"',
        '"tesnet"',
        (
            'venues.hl.network = "tesnet": expected "mainnet" or "testnet" or "local";'
            ' did you mean "testnet"?'
        ),
    ),
    "a wrong word for all symbols": (
        '"all"',
        '"al"',
        (
            'strategies[1].symbols = "al" (strategy "quotes"): expected a list of coins such as'
            ' ["BTC"], or "all"; did you mean "all"?'
        ),
    ),
    "a wrong type": (
        "2000.5",
        '"2000.5"',
        'risk.order_notional_max = "2000.5": expected a positive amount of money',
    ),
    "a whole number where true stands": (
        "leverage = 5",
        "leverage = true",
        "symbols.BTC.leverage = true: expected a whole number, 1 or more",
    ),
    "a table where a value stands": (
        "[backtest.latency]\nfeed_ms = 2",
        "latency = 2",
        "backtest.latency = 2: expected a table",
    ),
    "a number out of range": (
        "leverage_max = 10",
        "leverage_max = 0",
        "risk.leverage_max = 0: expected a whole number, 1 or more",
    ),
    "a fee typed in percent": (
        "[backtest.latency]",
        "[backtest.fees]\ntaker = 0.045\n[backtest.latency]",
        (
            "backtest.fees.taker = 0.045: expected a fraction of the notional, such as 0.00045 for"
            " 4.5 bps"
        ),
    ),
    "a number that is not finite": (
        "2000.5",
        "inf",
        "risk.order_notional_max = inf: expected a finite number",
    ),
    "a parameter that is not a number": (
        "fast = 5",
        "fast = 5, notional = nan",
        "strategies[0].params.notional = nan: expected a finite number",
    ),
    "an item of a list": (
        '"ETH"',
        "7",
        f"strategies[0].symbols[1] = 7 {TREND}: expected text",
    ),
    "a single bracket around strategies": (
        GOOD[GOOD.index("[[strategies]]") : GOOD.index("[backtest]")],
        "[strategies]\n",
        "strategies: missing; expected at least one [[strategies]] section",
    ),
    "strategies as a table": (
        GOOD[GOOD.index("[[strategies]]") : GOOD.index("[backtest]")],
        "[strategies.trend]\n",
        "strategies: expected [[strategies]] sections, with two brackets",
    ),
    "no venue": (
        '[venues.hl]\nkind = "hyperliquid"\nnetwork = "testnet"',
        "",
        "venues: missing; expected at least one [venues.NAME] section",
    ),
    "venues as a value": (
        '[venues.hl]\nkind = "hyperliquid"\nnetwork = "testnet"',
        "venues = 3",
        "venues: expected sections [venues.NAME]",
    ),
    "a venue's name that cannot be in an id": (
        "[venues.hl]",
        '[venues."h:l"]',
        "venues.\"h:l\": expected a name of letters, digits, '_' and '-'",
    ),
    "an unknown venue": (
        'venue = "hl"',
        'venue = "HL2"',
        'accounts.main.venue = "HL2": no such venue; did you mean "hl"?',
    ),
    "an unknown account": (
        'account = "main"\nsymbols = ["BTC", "ETH"]',
        'account = "mian"\nsymbols = ["BTC", "ETH"]',
        f'strategies[0].account = "mian" {TREND}: no such account; did you mean "main"?',
    ),
    "an account with no near name": (
        'account = "main"\nsymbols = "all"',
        'account = "x"\nsymbols = "all"',
        'strategies[1].account = "x" (strategy "quotes"): no such account; known accounts: main',
    ),
    "an address that is none": (
        '"0x00000000000000000000000000000000000000aa"',
        '"my dog has fleas"',
        "accounts.main.address: expected an account address, 0x and 40 hex digits",
    ),
    "two strategies of one name": (
        '"quotes"',
        '"trend"',
        'strategies[1].name = "trend": expected a name of its own; strategies[0] has it already',
    ),
    "the reserved name": (
        '"quotes"',
        '"external"',
        (
            'strategies[1].name = "external": expected another name; fills that no strategy caused'
            " belong to this one"
        ),
    ),
    "no coin": (
        '["BTC", "ETH"]',
        "[]",
        f"strategies[0].symbols = [] {TREND}: expected at least one coin",
    ),
    "a coin twice": (
        '["BTC", "ETH"]',
        '["BTC", "BTC"]',
        f'strategies[0].symbols[1] = "BTC" {TREND}: expected each coin once',
    ),
    "a time that is none": (
        "2025-09-01\n",
        '"1 Sept"\n',
        (
            'backtest.start = "1 Sept": expected a UTC date or time such as 2025-09-01 or'
            " 2025-09-01T12:00:00Z"
        ),
    ),
    "an end before the start": (
        "2025-09-01\n",
        "2026-01-01\n",
        (
            'backtest.end = "2025-09-02T00:00:00+02:00": expected a time after backtest.start,'
            " 2026-01-01"
        ),
    ),
    "no data": (
        '"tapes/market"',
        '""',
        'backtest.data = "": expected a tape folder',
    ),
    "a strategy that is not installed": (
        '"ema_cross"',
        '"ema_cros"',
        (
            f'strategies[0].use = "ema_cros" {TREND}: no installed strategy has this name;'
            ' did you mean "ema_cross"?'
        ),
    ),
    "an unknown parameter": (
        "fast = 5",
        "fst = 5",
        f'strategies[0].params.fst {TREND}: unknown parameter; did you mean "fast"?',
    ),
    "a parameter of the wrong type": (
        "fast = 5",
        'fast = "5"',
        f'strategies[0].params.fast = "5" {TREND}: expected a whole number',
    ),
    "parameters that contradict each other": (
        "fast = 5",
        "fast = 50",
        f"strategies[0].params {TREND}: fast = 50, slow = 10: expected 1 <= fast < slow",
    ),
    "a span that is none": (
        "fast = 5",
        'interval = "1x"',
        (
            f"strategies[0].params {TREND}: span '1x': expected a whole number and s, m, h or d,"
            " such as '1m'"
        ),
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_one_line_with_the_key_the_value_and_what_was_expected(
    case: str, tmp_path: Path
) -> None:
    old, new, expected = WRONG[case]
    assert old in GOOD

    assert expected == mistake(tmp_path, GOOD.replace(old, new, 1))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda _: None, "no such file; expected a TOML config file"),
        (lambda path: path.mkdir(), "a folder; expected a TOML config file"),
        (lambda path: path.write_bytes(b"# caf\xe9"), "expected UTF-8 text, byte 5 is not"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    make: Callable[[Path], object], expected: str, tmp_path: Path
) -> None:
    path = tmp_path / "bot.toml"
    make(path)

    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert f"{path}: {expected}" == str(caught.value)


def test_a_long_value_is_cut(tmp_path: Path) -> None:
    line = mistake(tmp_path, GOOD.replace("2000.5", f'"{"x" * 500}"'))

    assert len(line) < 200


MINIMAL = GOOD[: GOOD.index("[symbols.BTC]")] + GOOD[GOOD.index("[[strategies]]") :]
EDGES = [
    # section, key, the last value allowed, the first one that is not
    ("risk", "order_notional_max", "0.01", "0.0"),
    ("risk", "position_notional_max", "0.01", "-1"),
    ("risk", "price_distance_max", "1", "1.01"),
    ("risk", "price_distance_max", "0.001", "0"),
    ("risk", "data_age_ms_max", "1", "0"),
    ("risk", "leverage_max", "1", "0"),
    ("risk", "open_orders_max", "1", "0"),
    ("symbols.BTC", "leverage", "1", "0"),
    ("daemon", "journal", '"j"', '""'),
    ("backtest.fees", "maker", "-0.01", "-0.011"),
    ("backtest.fees", "taker", "0.01", "0.011"),
    ("backtest.latency", "order_ms", "0", "-1"),
    ("backtest.latency", "jitter_ms", "0", "-0.1"),
    ("backtest.latency", "seed", "0", "-1"),
    ("backtest", "starting_balance", "0.01", "0"),
    ("backtest", "half_spread_bps", "0", "-0.1"),
]


@pytest.mark.parametrize(("section", "key", "last", "first_wrong"), EDGES)
def test_a_number_may_go_to_its_bound_and_no_further(
    section: str, key: str, last: str, first_wrong: str, tmp_path: Path
) -> None:
    start = MINIMAL[: MINIMAL.index("[backtest]")]
    data = 'data = "d"\n' if section == "backtest" else ""
    prefix = '[backtest]\ndata = "d"\n' if section.startswith("backtest.") else ""

    load(tmp_path, f"{start}{prefix}[{section}]\n{data}{key} = {last}\n")
    line = mistake(tmp_path, f"{start}{prefix}[{section}]\n{data}{key} = {first_wrong}\n")

    assert line.startswith(f"{section}.{key} = {first_wrong}: expected ")


def test_without_a_risk_section_the_gate_gets_its_own_defaults(tmp_path: Path) -> None:
    assert Limits() == load(tmp_path, MINIMAL).config.risk.limits()


# -- parameters of a plugin's own kind -------------------------------------------------------------

PLUGIN = """\
from typing import Annotated, Literal

import msgspec

from strategies.api import Params, Strategy

class Level(msgspec.Struct, forbid_unknown_fields=True):
    px: float

class MineParams(Params, frozen=True):
    size: Annotated[float, msgspec.Meta(gt=0)]
    count: int | None = None
    mode: Literal["fast", "slow"] | None = None
    either: int | str = 0
    level: Level | None = None
    levels: list[Level] = []
    weights: dict[str, float] = {}

class Mine(Strategy):
    Params = MineParams
"""


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ("", '.size (strategy "trend"): missing; expected a number'),
        ("size = 0", ".size = 0 {}: expected a number > 0.0"),
        ('size = 1, count = "3"', '.count = "3" {}: expected a whole number'),
        (
            'size = 1, mode = "fats"',
            '.mode = "fats" {}: expected "fast" or "slow"; did you mean "fast"?',
        ),
        ("size = 1, either = 2.5", ".either = 2.5 {}: expected a whole number or text"),
        ("size = 1, level = 3", ".level = 3 {}: expected a table"),
        ("size = 1, level = {{}}", ".level.px {}: missing; expected a number"),
        (
            "size = 1, level = {{ px = 1, py = 2 }}",
            ".level.py {}: unknown parameter; known parameters: px",
        ),
        ("size = 1, levels = 3", ".levels = 3 {}: expected a list"),
        (
            "size = 1, levels = [{{ px = 1 }}, {{ px = true }}]",
            ".levels[1].px = true {}: expected a number",
        ),
        ("size = 1, weights = 1", ".weights = 1 {}: expected a table"),
        ('size = 1, weights = {{ a = "x" }}', ".weights {}: expected a number"),
    ],
)
def test_a_plugins_parameters_are_explained_by_their_types(
    params: str, expected: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    text = GOOD.replace('"ema_cross"', '"./mine.py:Mine"')
    text = text.replace("{ fast = 5, slow = 10 }", "{ " + params.format() + " }")

    line = mistake(tmp_path, text)

    assert "strategies[0].params" + expected.format(TREND) == line


# -- against the market ----------------------------------------------------------------------------


def instrument(where: str, *, is_delisted: bool = False) -> Instrument:
    venue, coin = where.split(":")
    tier = MarginTier(lower_bound_e8=0, leverage_max=5)
    return hyperliquid_instrument(
        venue, coin, sz_decimals=2, margin_tiers=(tier,), is_delisted=is_delisted
    )


MARKET = [
    instrument("hl:BTC"),
    instrument("hl:ETH"),
    instrument("hl:OLD", is_delisted=True),
    instrument("px:BTC"),
    instrument("px:XRP"),
]


def test_strategies_get_the_instruments_of_their_own_venue_and_all_leaves_out_the_delisted(
    tmp_path: Path,
) -> None:
    expected = {"trend": ("hl:BTC", "hl:ETH"), "quotes": ("hl:BTC", "hl:ETH")}

    assert expected == assign_instruments(load(tmp_path, GOOD), MARKET)


def test_known_symbols_pass(tmp_path: Path) -> None:
    check_symbols(load(tmp_path, GOOD), [item.id for item in MARKET])


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            '"ETH"',
            '"ETHW"',
            (
                f'strategies[0].symbols[1] = "ETHW" {TREND}: venue "hl" has no such symbol here;'
                ' did you mean "ETH"?'
            ),
        ),
        (
            '"BTC",',
            '"XRP",',
            (
                f'strategies[0].symbols[0] = "XRP" {TREND}: venue "hl" has no such symbol here;'
                " known symbols: BTC, ETH, OLD"
            ),
        ),
        (
            "[symbols.BTC]",
            '[symbols."xyz:TSLA"]',
            'symbols."xyz:TSLA": no such symbol; known symbols: BTC, ETH, OLD, XRP',
        ),
        (
            "leverage = 5",
            "leverage = 6",
            "symbols.BTC.leverage = 6: expected at most 5, the most hl:BTC allows",
        ),
    ],
)
def test_what_the_market_does_not_have_is_named_with_the_nearest_it_has(
    old: str, new: str, expected: str, tmp_path: Path
) -> None:
    loaded = load(tmp_path, GOOD.replace(old, new, 1))

    with pytest.raises(ConfigError) as caught:
        assign_instruments(loaded, MARKET)
    assert f"{loaded.path}: {expected}" == str(caught.value)


def test_a_venue_that_the_data_does_not_have_is_a_mistake(tmp_path: Path) -> None:
    text = GOOD.replace("[venues.hl]", "[venues.hyper]").replace('"hl"', '"hyper"')
    loaded = load(tmp_path, text)

    with pytest.raises(ConfigError) as caught:
        assign_instruments(loaded, MARKET)
    expected = (
        f'{loaded.path}: strategies[0].account = "main" {TREND}: its venue "hyper" has no'
        " instruments here; known venues: hl, px"
    )
    assert expected == str(caught.value)


# -- secrets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            '"env:PERPD_KEY"',
            f'"{KEY}"',
            (
                "accounts.main.key: looks like a private key; expected env:NAME, file:PATH or"
                " keystore:PATH, never the key itself"
            ),
        ),
        (
            '"env:PERPD_KEY"',
            f'"env:{KEY[2:]}"',
            (
                "accounts.main.key: looks like a private key; expected env:NAME, file:PATH or"
                " keystore:PATH, never the key itself"
            ),
        ),
        (
            "fast = 5",
            f'fast = 5, note = ["see {KEY.upper()}"]',
            (
                "strategies[0].params.note[0]: looks like a private key; expected env:NAME,"
                " file:PATH or keystore:PATH, never the key itself"
            ),
        ),
        (
            "[risk]",
            f"[symbols.{KEY}]\nleverage = 1\n[risk]",
            (
                "symbols: looks like a private key; expected env:NAME, file:PATH or keystore:PATH,"
                " never the key itself"
            ),
        ),
        (
            '"env:PERPD_KEY"',
            '"tulip opera crane"',
            (
                "accounts.main.key: expected env:NAME, file:PATH or keystore:PATH, never the key"
                " itself"
            ),
        ),
        (
            '"env:PERPD_KEY"',
            '["tulip", "opera"]',
            "accounts.main.key: expected env:NAME, file:PATH or keystore:PATH",
        ),
        (
            'key = "env:PERPD_KEY"',
            'secret = "tulip opera"',
            "accounts.main.secret: unknown key; known keys: address, key, token, venue",
        ),
        (
            '[accounts.main]\nvenue = "hl"',
            '[accounts]\nmain = "tulip"',
            "accounts.main: expected a table",
        ),
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(
    old: str, new: str, expected: str, tmp_path: Path
) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    if "[accounts]" in text:
        text = text.replace('address = "0x00000000000000000000000000000000000000aa"\n', "")
        text = text.replace('key = "env:PERPD_KEY"\n', "")

    line = mistake(tmp_path, text)

    assert expected == line
    assert "tulip" not in line
    assert "4c4c" not in line.lower()


def test_a_syntax_error_does_not_repeat_a_key(tmp_path: Path) -> None:
    line = mistake(tmp_path, f"[{KEY}]\na = 1\n[{KEY}]\n")

    assert "not valid TOML" in line
    assert "4c4c" not in line


def test_an_environment_variable_gives_its_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERPD_TEST_KEY", f" {KEY}\n")

    assert KEY == resolve_secret("env:PERPD_TEST_KEY").reveal()


def test_a_file_of_mode_0600_gives_its_secret(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(KEY + "\n")
    path.chmod(0o600)

    assert KEY == resolve_secret("file:key", tmp_path).reveal()
    assert KEY == resolve_secret(f"file:{path}").reveal()


def prepare_secrets(folder: Path) -> None:
    for name, data, mode in (
        ("open", KEY.encode(), 0o644),
        ("group", KEY.encode(), 0o640),
        ("empty", b" \n", 0o600),
        ("binary", b"\xff\xfe", 0o600),
        ("huge", b"a" * 5000, 0o600),
    ):
        (folder / name).write_bytes(data)
        (folder / name).chmod(mode)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("env:PERPD_NO", "secret env:PERPD_NO: the environment variable PERPD_NO is not set"),
        (KEY, "a secret must be given as env:NAME, file:PATH or keystore:PATH, not written out"),
        (
            "file:open",
            (
                "secret file:{0}/open: its mode is 0644, expected 0600: other users can reach it"
                " (chmod 600)"
            ),
        ),
        (
            "file:group",
            (
                "secret file:{0}/group: its mode is 0640, expected 0600: other users can reach it"
                " (chmod 600)"
            ),
        ),
        ("file:empty", "secret file:{0}/empty: the file is empty"),
        ("file:binary", "secret file:{0}/binary: expected text, found other bytes"),
        ("file:huge", "secret file:{0}/huge: more than 4096 bytes"),
        ("file:none", "secret file:{0}/none: No such file or directory"),
        ("keystore:key.json", "secret keystore:{0}/key.json: No such file or directory"),
    ],
)
def test_a_secret_that_cannot_be_had_says_why(
    reference: str, expected: str, tmp_path: Path
) -> None:
    prepare_secrets(tmp_path)
    assert "PERPD_NO" not in os.environ

    with pytest.raises(ConfigError) as caught:
        resolve_secret(reference, tmp_path)
    assert expected.format(tmp_path) == str(caught.value)


def test_a_secret_shows_itself_to_nobody() -> None:
    secret = Secret(KEY)

    assert ["Secret(hidden)"] * 3 == [repr(secret), str(secret), f"{secret}"]
    with pytest.raises(TypeError):
        pickle.dumps(secret)
