"""Put, get, list and delete keys of a KV namespace."""
