"""List what fires by the clock, and fire it by hand."""
