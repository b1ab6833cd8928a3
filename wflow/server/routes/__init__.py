"""One file an API resource."""
