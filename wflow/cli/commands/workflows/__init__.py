"""List, describe and trigger workflows."""
