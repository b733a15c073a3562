"""What msgspec says about a value, said to a person: key, value, what was expected, nearest word.

Pure text: it knows the Structs it is shown and nothing of config files.
"""

from __future__ import annotations

import difflib
import json
import re
import types
from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec

VALUE_CHARS_MAX: Final = 60
KNOWN_MAX: Final = 12

_AT: Final = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<path>[^`]*)`)?", re.DOTALL)
_STEP: Final = re.compile(r"\.(?P<name>[^.\[\]]+)|\[(?P<index>\d+|\.\.\.)\]")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*)`")
_MISSING: Final = re.compile(r"Object missing required field `(.*)`")
_EXPECTED: Final = re.compile(r"Expected `[^`]*`(?P<bound>.*)")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_WORDS: Final[dict[object, str]] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    list: "a list",
    tuple: "a list",
    dict: "a table",
}


class Mistake(msgspec.Struct, frozen=True):
    """One mistake: where (a dotted key), the value there as it may be shown, and what is wrong."""

    key: str
    shown: str
    text: str

    def line(self, *, owner: str = "", show: bool = True) -> str:
        """The mistake in one line.

        `owner` names what the key belongs to; `show` says whether the value may appear.
        """
        shown = f" = {self.shown}" if self.shown and show else ""
        whose = f" ({owner})" if owner else ""
        return f"{self.key}{shown}{whose}: {self.text}"


def joined(key: str, name: str) -> str:
    """`name` below `key`, as TOML would write it."""
    part = name if _BARE_KEY.fullmatch(name) else json.dumps(name, ensure_ascii=False)
    return f"{key}.{part}" if key else part


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word most like `word`, whatever its case; empty when none is near."""
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else ""


def hint(word: str, known: Collection[str], what: str) -> str:
    """What to try instead of `word`: the nearest, or else what there is."""
    near = nearest(word, known)
    if near:
        return f'did you mean "{near}"?'
    if not known:
        return f"there are no {what}"
    names = sorted(known)
    more = f" and {len(names) - KNOWN_MAX} more" if len(names) > KNOWN_MAX else ""
    return f"known {what}: {', '.join(names[:KNOWN_MAX])}{more}"


def show(value: object) -> str:
    """A value as the config file would write it, cut to a line's length."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= VALUE_CHARS_MAX else text[: VALUE_CHARS_MAX - 3] + "..."


def explain(
    error: msgspec.ValidationError, cls: type[msgspec.Struct], raw: object, key: str, what: str
) -> Mistake:
    """Why `raw`, found at `key`, is no `cls`.

    `what` is the word for its entries ("key", "parameter").
    """
    match = _AT.fullmatch(str(error))
    assert match is not None, "the pattern takes any text"
    said, path = match["what"], match["path"] or ""
    field_type: object = cls
    value = raw
    for step in _STEP.finditer(path):
        name, index = step["name"], step["index"]
        field_type = _inner(field_type, name)
        if name is not None:
            key = joined(key, name)
            value = value.get(name) if isinstance(value, Mapping) else None
        elif index != "...":  # an entry that msgspec does not name: the whole container is meant
            key = f"{key}[{index}]"
            value = value[int(index)] if isinstance(value, list | tuple) else None
    unknown, missing = _UNKNOWN.fullmatch(said), _MISSING.fullmatch(said)
    if unknown is not None:
        word, known = unknown[1], _names(field_type)
        return Mistake(joined(key, word), "", f"unknown {what}; {hint(word, known, f'{what}s')}")
    if missing is not None:
        wanted = _expected(_inner(field_type, missing[1]), "")
        return Mistake(joined(key, missing[1]), "", f"missing; expected {wanted}")
    shown = "" if isinstance(value, Mapping) else show(value)
    bound = _EXPECTED.fullmatch(said)
    if bound is None and not said.startswith("Invalid enum value"):
        return Mistake(key, "", said)  # what a Struct's own __post_init__ says
    tail = bound["bound"] if bound is not None and not bound["bound"].startswith(",") else ""
    near = nearest(value, _options(field_type)) if isinstance(value, str) else ""
    also = f'; did you mean "{near}"?' if near else ""
    return Mistake(key, shown, f"expected {_expected(field_type, tail)}{also}")


def type_words(annotation: object) -> str:
    """A field's type in a person's words."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_words(args[0])
    if origin in (Union, types.UnionType):
        return " or ".join(type_words(arg) for arg in args if arg is not type(None))
    if origin is Literal:
        return " or ".join(show(arg) for arg in args)
    words = _WORDS.get(origin or annotation, "")
    if words:
        return words
    if isinstance(annotation, type):
        is_table = issubclass(annotation, msgspec.Struct)
        return "a table" if is_table else annotation.__name__
    return str(annotation)


def _expected(annotation: object, bound: str) -> str:
    """A field's own description, or else its type and the bound that was broken."""
    return _description(annotation) or f"{type_words(annotation)}{bound}"


def _description(annotation: object) -> str:
    for arg in get_args(annotation):
        if isinstance(arg, msgspec.Meta) and arg.description:
            return arg.description
        if get_origin(arg) is Annotated:
            return _description(arg)
    return ""


def _plain(annotation: object) -> object:
    """The type itself, without Annotated and None."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [arg for arg in get_args(annotation) if arg is not type(None)]
        return _plain(rest[0]) if len(rest) == 1 else annotation
    return annotation


def _inner(annotation: object, name: str | None) -> object:
    """The type of one field, or of one item when `name` is None; Any when it is not known."""
    plain = _plain(annotation)
    if name is None:
        members = get_args(plain) if get_origin(plain) in (Union, types.UnionType) else (plain,)
        for member in members:
            if get_origin(member) in (list, tuple, dict):
                return get_args(member)[1 if get_origin(member) is dict else 0]
        return Any
    if isinstance(plain, type) and issubclass(plain, msgspec.Struct):
        for field in msgspec.structs.fields(plain):
            if field.encode_name == name:
                return field.type
    return Any


def _names(annotation: object) -> list[str]:
    plain = _plain(annotation)
    if isinstance(plain, type) and issubclass(plain, msgspec.Struct):
        return [field.encode_name for field in msgspec.structs.fields(plain)]
    return []


def _options(annotation: object) -> list[str]:
    """The words a Literal allows."""
    plain = _plain(annotation)
    members = get_args(plain) if get_origin(plain) in (Union, types.UnionType) else (plain,)
    literals = [member for member in members if get_origin(member) is Literal]
    return [word for literal in literals for word in get_args(literal) if isinstance(word, str)]
