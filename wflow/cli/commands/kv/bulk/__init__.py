"""Put, get and delete many keys of a KV namespace at once."""
