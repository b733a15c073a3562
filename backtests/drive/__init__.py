"""Driving an engine over a tape: the reference driver, one event at a time, and the chunked one, which only skips."""
