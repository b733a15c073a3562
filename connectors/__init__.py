"""What speaks to venues: one package for each, turning bytes into events and effects into bytes."""
