"""Set, list and delete what a Worker has in its `env` and nobody else reads."""
