"""Universes as instruments, and asset ids there and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.hyperliquid.info.metadata import PerpDex, PerpMeta
from connectors.hyperliquid.info.requests import ALL_PERP_METAS, META
from connectors.hyperliquid.instruments import (
    AssetKind,
    AssetPlace,
    asset_place,
    instruments_of,
    instruments_of_all,
    perp_asset,
)
from engine.errors import ModelError, VenueError
from engine.model.instruments import MarginTier
from engine.model.units import MONEY_SCALE
from tests.connectors.hyperliquid.info.examples import (
    PAGE,
    captured_examples,
    page_examples,
    recorded_examples,
)

BTC = {"name": "BTC", "szDecimals": 5, "maxLeverage": 40, "marginTableId": 56}
TSLA = {"name": "xyz:TSLA", "szDecimals": 3, "maxLeverage": 10, "marginTableId": 10}
TABLES = [
    [
        56,
        {
            "description": "tiered 40x",
            "marginTiers": [
                {"lowerBound": "0.0", "maxLeverage": 40},
                {"lowerBound": "150000000.0", "maxLeverage": 20},
            ],
        },
    ],
    [10, {"description": "", "marginTiers": [{"lowerBound": "0.0", "maxLeverage": 9}]}],
]


def meta_of(*rows: dict[str, object], tables: object = TABLES) -> PerpMeta:
    return META.decode(json.dumps({"universe": rows, "marginTables": tables}).encode())


def dex_of(name: str) -> PerpDex:
    return PerpDex(
        name=name,
        full_name=name,
        deployer="0x1",
        oracle_updater=None,
        fee_recipient=None,
        asset_to_streaming_oi_cap=(),
    )


# -- asset ids -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asset", "place"),
    [
        (0, AssetPlace(AssetKind.PERP, 0, 0)),
        (9_999, AssetPlace(AssetKind.PERP, 0, 9_999)),
        (10_000, AssetPlace(AssetKind.SPOT, 0, 0)),
        (10_107, AssetPlace(AssetKind.SPOT, 0, 107)),
        (110_000, AssetPlace(AssetKind.PERP, 1, 0)),
        (110_042, AssetPlace(AssetKind.PERP, 1, 42)),
        (120_003, AssetPlace(AssetKind.PERP, 2, 3)),
        (100_000_051, AssetPlace(AssetKind.OUTCOME, 0, 51)),
    ],
)
def test_an_asset_id_says_what_it_stands_for(asset: int, place: AssetPlace) -> None:
    assert place == asset_place(asset)


@given(
    dex_index=st.integers(min_value=0, max_value=9_000),
    place=st.integers(min_value=0, max_value=9_999),
)
def test_a_place_becomes_an_id_and_a_place_again(dex_index: int, place: int) -> None:
    asset = perp_asset(dex_index, place)

    assert AssetPlace(AssetKind.PERP, dex_index, place) == asset_place(asset)


@pytest.mark.parametrize(("dex_index", "place"), [(0, 10_000), (1, 10_000), (-1, 0), (0, -1)])
def test_a_place_without_an_id_is_refused(dex_index: int, place: int) -> None:
    with pytest.raises(ModelError, match="has no asset id"):
        perp_asset(dex_index, place)


def test_no_asset_id_is_negative() -> None:
    with pytest.raises(ModelError, match="asset -1"):
        asset_place(-1)


# -- instruments -----------------------------------------------------------------------------------


def test_a_row_becomes_an_instrument_on_its_grid() -> None:
    (btc,) = instruments_of(meta_of(BTC))

    assert ("hl:BTC", "hl", "BTC", "", 0) == (btc.id, btc.venue, btc.coin, btc.dex, btc.asset)
    assert (1, 5, 5) == (btc.px_decimals, btc.sz_decimals, btc.significant_figures)
    assert (10 * MONEY_SCALE, "cross", False) == (
        btc.min_notional_e8,
        btc.margin_mode,
        btc.is_delisted,
    )
    assert (MarginTier(0, 40), MarginTier(150_000_000 * MONEY_SCALE, 20)) == btc.margin_tiers


def test_a_builder_dexs_perpetual_carries_its_dex_in_id_and_asset() -> None:
    (tsla,) = instruments_of(meta_of(TSLA), venue="main", dex_index=2, dex="xyz")

    assert ("main:xyz:TSLA", "xyz:TSLA", "xyz", 120_000) == (
        tsla.id,
        tsla.coin,
        tsla.dex,
        tsla.asset,
    )


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"marginTableId": 56}, [(0, 40), (150_000_000, 20)]),
        ({"marginTableId": 10}, [(0, 9)]),
        ({"marginTableId": 3}, [(0, 3)]),
        ({}, [(0, 40)]),
    ],
    ids=["listed", "listed below 50", "below 50 and not listed", "no table, as in 2023"],
)
def test_margin_tiers_come_from_the_table_or_its_id(
    row: dict[str, object], expected: list[tuple[int, int]]
) -> None:
    (found,) = instruments_of(meta_of({"name": "BTC", "szDecimals": 5, "maxLeverage": 40} | row))

    assert tuple(MarginTier(bound * MONEY_SCALE, most) for bound, most in expected) == (
        found.margin_tiers
    )


@pytest.mark.parametrize(
    ("flags", "margin_mode", "is_delisted"),
    [
        ({}, "cross", False),
        ({"onlyIsolated": True}, "isolated", False),
        ({"onlyIsolated": True, "marginMode": "strictIsolated"}, "strictIsolated", False),
        ({"marginMode": "noCross"}, "noCross", False),
        ({"onlyIsolated": None, "isDelisted": None}, "cross", False),
        ({"isDelisted": True}, "cross", True),
    ],
)
def test_margin_mode_and_delisting_come_from_the_flags(
    flags: dict[str, object],
    margin_mode: str,
    is_delisted: bool,  # noqa: FBT001 - a case
) -> None:
    (found,) = instruments_of(meta_of(BTC | flags))

    assert (margin_mode, is_delisted) == (found.margin_mode, found.is_delisted)


def test_a_delisted_perpetual_keeps_its_place_and_others_their_ids() -> None:
    eth = {"name": "ETH", "szDecimals": 4, "maxLeverage": 25, "marginTableId": 25}

    found = instruments_of(meta_of(BTC | {"isDelisted": True}, eth))

    assert [("BTC", 0, True), ("ETH", 1, False)] == [
        (item.coin, item.asset, item.is_delisted) for item in found
    ]


BROKEN = [
    (BTC | {"szDecimals": 7}, "szDecimals 7, expected 0 to 6"),
    (BTC | {"marginTableId": 77}, "margin table 77 is not listed"),
    (BTC | {"marginTableId": 0}, "a margin tier has no leverage"),
    (BTC | {"name": "xyz:BTC"}, "expected a name of dex ''"),
    (BTC | {"name": ""}, "expected a name of dex ''"),
]


@pytest.mark.parametrize(("row", "why"), BROKEN)
def test_a_row_that_makes_no_sense_is_named_in_the_error(row: dict[str, object], why: str) -> None:
    with pytest.raises(VenueError, match=f"meta of dex '': {row['name']!r}: {why}"):
        instruments_of(meta_of(row))


@pytest.mark.parametrize(("row", "why"), BROKEN)
def test_a_row_that_makes_no_sense_can_be_left_out_without_shifting_the_rest(
    row: dict[str, object], why: str
) -> None:
    told: list[tuple[str, str]] = []

    found = instruments_of(
        meta_of(row, BTC), quarantine=lambda coin, reason: told.append((coin, reason))
    )

    assert [("BTC", 1)] == [(item.coin, item.asset) for item in found]
    assert [(row["name"], why)] == told


def test_a_name_that_comes_twice_is_refused() -> None:
    with pytest.raises(VenueError, match="its name comes twice"):
        instruments_of(meta_of(BTC, BTC))


@pytest.mark.parametrize(
    ("tiers", "why"),
    [
        ([], "must start at 0"),
        ([("1.0", 40)], "must start at 0"),
        ([("0.0", 40), ("5.0", 20), ("5.0", 10)], "and rise"),
        ([("0.0", 0)], "has no leverage"),
        ([("0.0", 40), ("0.000000001", 20)], "9 decimals"),
    ],
)
def test_margin_tiers_that_make_no_sense_are_refused(
    tiers: list[tuple[str, int]], why: str
) -> None:
    rows = [{"lowerBound": bound, "maxLeverage": most} for bound, most in tiers]
    tables = [[56, {"description": "", "marginTiers": rows}]]

    with pytest.raises(VenueError, match=why):
        instruments_of(meta_of(BTC, tables=tables))


# -- every name, its id, and the name again --------------------------------------------------------


def assert_names_and_ids_agree(meta: PerpMeta, dex_index: int, dex: str) -> None:
    found = instruments_of(meta, dex_index=dex_index, dex=dex)
    asset_of = {item.coin: item.asset for item in found}

    assert [row.name for row in meta.universe] == [item.coin for item in found]
    for name, asset in asset_of.items():
        place = asset_place(asset)
        assert (AssetKind.PERP, dex_index) == place[:2]
        assert name == meta.universe[place.place].name


def test_every_dexs_names_and_ids_agree_on_the_owners_page(shared_dir: Path) -> None:
    page = (shared_dir / "seeds" / PAGE).read_text(encoding="utf-8")
    (answer,) = [answer for name, answer in page_examples(page) if name == "allPerpMetas"]
    pairs = ALL_PERP_METAS.decode(json.dumps(answer).encode())
    metas = [one if isinstance(one, PerpMeta) else one[0] for one in pairs]

    for dex_index, (meta, dex) in enumerate(zip(metas, ("", "xyz"), strict=True)):
        assert_names_and_ids_agree(meta, dex_index, dex)
    everything = instruments_of_all(metas, (None, dex_of("xyz")))
    assert [0, 1, 2, 110_000, 110_001, 110_002] == [item.asset for item in everything]
    assert ["hl:BTC", "hl:xyz:TSLA"] == [everything[0].id, everything[4].id]


def test_every_recorded_universe_gives_names_and_ids_that_agree(shared_dir: Path) -> None:
    folder = shared_dir / "data" / "hyperliquid_rest"
    recorded = [answer for _, name, answer in recorded_examples(folder) if name == "meta"]

    assert 3 == len(recorded)
    for answer in recorded:
        assert_names_and_ids_agree(META.decode(json.dumps(answer).encode()), 0, "")


def test_the_captured_testnet_dexs_become_instruments(shared_dir: Path) -> None:
    path = shared_dir / "data" / "hyperliquid_rest" / "captured_testnet_2026.jsonl"
    metas = {what: answer for what, name, answer in captured_examples(path) if name == "meta"}
    unit = META.decode(json.dumps(metas["meta dex=unit"]).encode())

    assert_names_and_ids_agree(unit, 3, "unit")
    es, nq = instruments_of(unit, dex_index=3, dex="unit")
    assert ("strictIsolated", False, True) == (es.margin_mode, es.is_delisted, nq.is_delisted)


def test_dexs_that_do_not_fit_their_metas_are_refused() -> None:
    with pytest.raises(VenueError, match="allPerpMetas has 1 dexs and perpDexs 2"):
        instruments_of_all([meta_of(BTC)], [None, dex_of("xyz")])
