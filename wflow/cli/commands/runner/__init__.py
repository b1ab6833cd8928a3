"""Run the server that deployed workflows live on."""
