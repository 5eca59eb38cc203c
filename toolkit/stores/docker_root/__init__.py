"""`docker-root:`, the data root of a Docker 1.10 and later that is not running."""
