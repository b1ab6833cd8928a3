"""The HTTP API, in Cloudflare's v4 dialect."""
