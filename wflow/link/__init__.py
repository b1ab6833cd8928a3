"""The frames between the runner and a runtime."""
