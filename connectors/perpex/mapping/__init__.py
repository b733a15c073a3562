"""EVERYTHING IN THIS PACKAGE IS ASSUMED, except what a line marks STATED: Perpex's wire.

The owner's page names endpoints, channels, limits and three error codes; it shows no payload, no
field and no frame (protocol 9.1 to 9.3). What is written here was made up so that code can exist
(protocol 9.4) and must be confirmed against the real service before live use. No other module
knows a field, a word or a code of the venue's.

    names.py    the words: paths, channels, types, statuses, error codes and what follows from them
    wire.py     the payloads as structs: tolerant in what they read, strict in what they send
    read.py     envelopes and decoding: VenueError or a typed value, never a guess
    settings.py what can be switched when a guess turns out wrong
"""
