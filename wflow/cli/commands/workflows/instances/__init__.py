"""List, describe and steer the instances of a workflow."""
