"""Simulated venues: servers on loopback that speak each venue's wire over one exchange."""
