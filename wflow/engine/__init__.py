"""The pure replay engine: facts in, decisions out; no clock, no I/O, no await."""
