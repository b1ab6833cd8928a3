"""The server product: store, server, fleet, admission, timers and reload in one process."""
