"""What speaks to a runner over HTTP."""
