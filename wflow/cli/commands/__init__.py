"""Durable workflows in plain Python, on your own machines."""
