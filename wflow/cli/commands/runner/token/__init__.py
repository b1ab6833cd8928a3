"""Create, list and revoke the tokens of a runner."""
