"""The nouns of the house: units, instruments, events, intents, orders, commands, effects.

Values only: no state, no I/O.
"""
