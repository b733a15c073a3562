"""Logs go to stderr, so that stdout is what a command was asked for; keys are cut out of them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

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
        # Looked up at every line: who runs several commands in one process may change it between.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


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
