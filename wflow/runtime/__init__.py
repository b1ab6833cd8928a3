"""The process that runs one version of user code."""
