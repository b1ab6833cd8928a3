"""Durable workflows in plain Python, on your own machines.

Begin with `wflow init my-workflow`, then `wflow dev` in its folder.
"""
