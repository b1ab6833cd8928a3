"""wflow.toml, read into a Project or refused with one report: `wflow.config.load.load()`."""
