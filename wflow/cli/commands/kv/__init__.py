"""Keep values under keys: namespaces, their keys, and many keys at once."""
