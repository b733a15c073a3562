"""The deterministic core and its drivers: events in, effects out.

This file imports nothing, because `risk` and `strategies` import modules below the core, and the
core imports them.
"""
