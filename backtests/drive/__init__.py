"""Driving an engine over a tape: the reference driver, and the chunked one, which only skips."""
