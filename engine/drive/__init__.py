"""The drivers: everything impure around the core, behind seams (clock, transport, randomness)."""
