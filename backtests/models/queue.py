"""When a resting order is filled by a market that never knew of it: two named rules.

`trades` (for tapes with public trades): the order stands behind the size displayed at its price
when it came. A print at its price by the opposite aggressor first eats that size, then fills it; a
print through its price fills it; a book update that shows less moves it forward. The book touching
its price never fills it.

`cross` (for tapes without trades): the order is filled at its own price when the opposite best
reaches or passes it, up to the size displayed there, once for each row.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

from engine.errors import ModelError

QueueRule = Literal["trades", "cross"]
QUEUE_RULES: Final[tuple[QueueRule, ...]] = get_args(QueueRule)


def queue_rule(name: str) -> QueueRule:
    """The rule of this name. Raises ModelError when there is none."""
    for rule in QUEUE_RULES:
        if rule == name:
            return rule
    raise ModelError(f"queue rule {name!r}, expected one of {', '.join(QUEUE_RULES)}")


def queue_rule_for(*, has_trades: bool) -> QueueRule:
    """The rule a tape allows: with public trades the stricter one."""
    return "trades" if has_trades else "cross"
