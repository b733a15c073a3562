"""Logs go to stderr, so that stdout is what a command was asked for; keys are cut out of them."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO, cast

import structlog

from engine.config.secret import redact


def configure_logging(*, is_verbose: bool) -> None:
    """Set structlog up for a command: lines on stderr, warnings and worse unless verbose."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact_keys,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.DEBUG if is_verbose else logging.WARNING
        ),
        logger_factory=lambda *_: structlog.PrintLogger(cast("TextIO", _CurrentStderr())),
        cache_logger_on_first_use=False,
    )


class _CurrentStderr(io.TextIOBase):
    """What `sys.stderr` is at every write, not when a logger was made.

    A status line that changes in place puts itself there for a while, so that lines go above it.
    """

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def redact_keys(
    _logger: object, _method: str, entry: MutableMapping[str, Any]
) -> Mapping[str, Any]:
    """Replace what looks like a private key in every text of a log entry."""
    for name, value in entry.items():
        if isinstance(value, str):
            entry[name] = redact(value)
        elif not isinstance(value, bool | int | float | None):
            entry[name] = redact(repr(value))
    return entry
