"""What is shipped: manifest, pack, unpack, lint."""
