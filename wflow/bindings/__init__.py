"""What `env` holds: one file a binding, with the stub user code sees and the provider the runner runs."""
