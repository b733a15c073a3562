"""The whole daemon on a simulated venue, in virtual time: crashes and faults by the seed.

Everything is perpd's own: strategies, engine, driver, journal, the Hyperliquid connector with its
signatures, and behind it the simulated exchange with Hyperliquid's wire. Only clock, network and
disk are in memory, and decide by a seed what goes wrong. Nothing here sleeps or opens a socket.
"""
