"""Let the messages of a queue be pulled over HTTP."""
