"""Any JSON answer as tables for people: one for what is single, one for each list in it.

Lists of objects become rows, with nested objects as columns of their own; a list of (name, object)
pairs likewise. Times in ms become UTC text, what is long is shortened where there are rows, columns
of nothing but null are left out, and a table too wide for a screen becomes several. JSON (`--json`)
has everything as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import Any, Final

from engine.cli.table import WIDTH_MAX, echo_table

Row = dict[str, Any]

_TIMES: Final = frozenset(
    {"time", "timestamp", "statusTimestamp", "nextFundingTime", "validUntil", "opens", "closes"}
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HEX_SHOWN: Final = 6
_HEX_LONG: Final = 18
_CELL_MAX: Final = 90
# What candles call their parts.
_CANDLE: Final = {
    "s": "coin",
    "i": "interval",
    "t": "opens",
    "T": "closes",
    "o": "open",
    "h": "high",
    "l": "low",
    "c": "close",
    "v": "volume",
    "n": "trades",
}
_COLUMN_GAP: Final = 3
_NO_ROW: Final[Row] = {}


def echo_answer(title: str, answer: Any) -> None:  # noqa: ANN401 - any JSON
    """Write an answer, parsed from JSON, to stdout as tables under a title."""
    if isinstance(answer, dict):
        _echo_object(title, answer)
    elif isinstance(answer, list) and answer:
        _echo_rows(title, list(_rows(answer)))
    else:
        echo_table(title, ("answer",), [(_cell("", answer) or "nothing",)])


def with_contexts(pair: Sequence[Any]) -> Row:
    """A (meta, contexts) pair as the meta alone, each perpetual with its context beside it."""
    meta, contexts = pair
    both = zip_longest(meta["universe"], contexts, fillvalue=_NO_ROW)
    merged: Row = meta | {"universe": [row | context for row, context in both]}
    return merged


def ladder(levels: Sequence[Sequence[Row]]) -> list[Row]:
    """The two sides of a book side by side, best first."""
    bids, asks = levels
    rows: list[Row] = []
    for bid, ask in zip_longest(bids, asks, fillvalue=_NO_ROW):
        row = {f"bid {key}": bid.get(key) for key in ("n", "sz", "px")}
        rows.append(row | {f"ask {key}": ask.get(key) for key in ("px", "sz", "n")})
    return rows


# -- from JSON to rows -----------------------------------------------------------------------------


def _echo_object(title: str, answer: Row) -> None:
    flat = _flat(answer)
    lists = {key: value for key, value in flat.items() if _is_table(value)}
    single = [(key, _cell(key, value)) for key, value in flat.items() if key not in lists]
    if single:
        echo_table(title, ("", "value"), single)
    for key, value in lists.items():
        _echo_rows(key if single else f"{title}: {key}", list(_rows(value)))


def _is_table(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict | list)


def _rows(items: Sequence[Any], first: str = "") -> Iterator[Row]:
    """The rows of a list; a pair is a name and what belongs to it, which may be a list again."""
    for item in items:
        if isinstance(item, dict):
            renamed = {_CANDLE[key]: item[key] for key in _CANDLE} if _is_candle(item) else item
            yield _flat(renamed)
        elif isinstance(item, list) and len(item) == 2 and not isinstance(item[0], dict | list):
            named = first or ("id" if isinstance(item[0], int) else "name")
            yield from _pair(item[0], item[1], named)
        else:
            yield {"value": item}


def _pair(name: object, value: object, first: str) -> Iterator[Row]:
    if isinstance(value, dict):
        yield {first: name} | _flat(value)
    elif _is_table(value):
        assert isinstance(value, list)
        for row in _rows(value, first="venue"):
            yield {first: name} | row
    else:
        yield {first: name, "value": value}


def _is_candle(item: Mapping[str, object]) -> bool:
    return set(_CANDLE) == set(item)


def _flat(item: Mapping[str, Any], prefix: str = "") -> Row:
    """Nested objects as `outer.inner`; what is only a wrapper (position, delta) gives no prefix."""
    flat: Row = {}
    for key, value in item.items():
        if isinstance(value, dict):
            inner = "" if key in {"position", "delta", "order"} else f"{prefix}{key}."
            flat |= _flat(value, inner)
        else:
            flat[f"{prefix}{key}"] = value
    return flat


# -- from rows to text -----------------------------------------------------------------------------


def _echo_rows(title: str, rows: Sequence[Row]) -> None:
    keys = list(dict.fromkeys(key for row in rows for key in row))
    columns = {key: [_short(_cell(key, row.get(key))) for row in rows] for key in keys}
    shown = {key: _aligned(cells) for key, cells in columns.items() if any(cells)}
    if not shown:
        shown = {keys[0] if keys else "": ["null"] * len(rows)}
    parts = list(_parts(shown))
    for number, part in enumerate(parts, 1):
        numbered = f"{title} ({number} of {len(parts)})" if len(parts) > 1 else title
        echo_table(numbered, tuple(part), list(zip(*part.values(), strict=True)))


def _parts(columns: Mapping[str, list[str]]) -> Iterator[dict[str, list[str]]]:
    """Columns in as many tables as their width needs, each beginning with the first column."""
    first, *_ = columns
    widths = {key: max(len(key), *map(len, columns[key])) + _COLUMN_GAP for key in columns}
    part: dict[str, list[str]] = {}
    for key, cells in columns.items():
        if part and sum(widths[name] for name in part) + widths[key] > WIDTH_MAX:
            yield part
            part = {first: columns[first]}
        part[key] = cells
    yield part


def _cell(key: str, value: object) -> str:
    if value is None or value == []:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and key.rpartition(".")[2] in _TIMES:
        moment = _EPOCH + timedelta(milliseconds=value)
        return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}"
    if isinstance(value, list):
        return ", ".join(_cell("", item) or "null" for item in value)
    if isinstance(value, dict):
        return " ".join(f"{name}={_cell(name, item)}" for name, item in value.items())
    # Nothing the venue says may steer a terminal.
    text = str(value).strip()
    return text if text.isprintable() else ascii(text)


def _short(cell: str) -> str:
    if len(cell) > _CELL_MAX:
        return f"{cell[: _CELL_MAX - 2]}.."
    is_hex = cell.startswith("0x") and len(cell) > _HEX_LONG and " " not in cell
    return f"{cell[: _HEX_SHOWN + 2]}..{cell[-4:]}" if is_hex else cell


def _aligned(cells: Sequence[str]) -> list[str]:
    """A column of numbers with their points below each other; any other as it is."""
    if not all(_is_number(cell) for cell in cells if cell):
        return list(cells)
    wholes = [len(cell.partition(".")[0]) for cell in cells]
    return [" " * (max(wholes) - whole) + cell for whole, cell in zip(wholes, cells, strict=True)]


def _is_number(cell: str) -> bool:
    return cell.removeprefix("-").replace(".", "", 1).isdecimal()
