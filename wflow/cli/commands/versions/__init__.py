"""Upload, list and deploy versions of a Worker."""
