"""Make queues, look at them, empty them, and say who consumes them."""
