"""Add and remove a Worker as the consumer of a queue."""
