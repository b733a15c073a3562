"""The HTML pieces that the page is made of. Every text is escaped here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

import msgspec

from backtests.report.charts import Figure

# Inside a script, JSON must not be able to end it.
_SCRIPT_SAFE: Final = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


class Html(str):
    """Text that is HTML already; plain `str` is escaped wherever it is put into the page."""

    __slots__ = ()


class Row(msgspec.Struct, frozen=True):
    """One row of a table: its name, its cells, what explains the name, whether it is a total."""

    label: str
    cells: Sequence[str]
    hint: str = ""
    is_total: bool = False


def html(text: str) -> Html:
    """Text as HTML: as it is when it is `Html`, escaped otherwise."""
    return text if isinstance(text, Html) else Html(escape(text))


def join(parts: Iterable[str], separator: str = "\n") -> Html:
    """Pieces in a row, each escaped unless it is HTML."""
    return Html(separator.join(html(part) for part in parts))


def tinted(text: str, value: float | None) -> Html:
    """A number in the colour of a gain or a loss; plain when it shows as zero or is not defined."""
    if not value or not any(digit in text for digit in "123456789"):
        return html(text)
    return Html(f'<span class="{"is-gain" if value > 0 else "is-loss"}">{html(text)}</span>')


def card(label: str, value: str, sub: str) -> Html:
    """One headline number with its name and what stands under it."""
    return Html(
        f'<div class="card"><div class="label">{html(label)}</div>'
        f'<div class="value">{html(value)}</div><div class="sub">{html(sub)}</div></div>'
    )


def notice(title: str, texts: Sequence[str], *, is_bad: bool = False) -> Html:
    """A box with one line for each sentence; no box without any."""
    if not texts:
        return Html("")
    lines = "<br>".join(html(text) for text in texts)
    kind = "notice is-bad" if is_bad else "notice"
    return Html(f'<div class="{kind}" role="note"><strong>{html(title)}</strong> {lines}</div>')


def section(title: str, *parts: str, anchor: str = "") -> Html:
    """A titled box; no box at all when there is nothing in it."""
    body = join(part for part in parts if part)
    if not body:
        return Html("")
    name = f' id="{html(anchor)}"' if anchor else ""
    return Html(f"<section{name}>\n<h2>{html(title)}</h2>\n{body}\n</section>")


def note(text: str) -> Html:
    """A small explaining paragraph."""
    return Html(f'<p class="note">{html(text)}</p>')


def table(columns: Sequence[str], rows: Sequence[Row]) -> Html:
    """A table that scrolls inside itself; without columns it has no head. Nothing without rows."""
    if not rows:
        return Html("")
    head = "".join(f'<th scope="col">{html(one)}</th>' for one in columns)
    thead = f"<thead><tr>{head}</tr></thead>" if columns else ""
    body = "\n".join(_row(row) for row in rows)
    return Html(f'<div class="scroll"><table>{thead}<tbody>\n{body}\n</tbody></table></div>')


def _row(row: Row) -> str:
    hint = f' <span class="hint">{html(row.hint)}</span>' if row.hint else ""
    cells = "".join(f"<td>{html(cell)}</td>" for cell in row.cells)
    kind = ' class="is-total"' if row.is_total else ""
    return f'<tr{kind}><th scope="row">{html(row.label)}{hint}</th>{cells}</tr>'


def pair(left: Html, right: Html) -> Html:
    """Two boxes beside each other, or below each other where there is no room."""
    return Html(f'<div class="pair">\n{left}\n{right}\n</div>')


def chart(name: str, label: str, figure: Figure, *, is_low: bool = False) -> Html:
    """The place of a figure and its data, which the page's script draws."""
    data = msgspec.json.encode(figure).decode().translate(_SCRIPT_SAFE)
    return Html(
        f'<div class="chart{" is-low" if is_low else ""}" id="{html(name)}" role="img"'
        f' aria-label="{html(label)}"></div>\n'
        f'<script type="application/json" class="figure" data-chart="{html(name)}">{data}</script>'
    )
