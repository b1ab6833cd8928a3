"""Create, list, rename and delete KV namespaces."""
