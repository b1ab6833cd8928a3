"""New projects out of templates."""
