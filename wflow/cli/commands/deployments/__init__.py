"""Show what of a Worker is live, and what was."""
