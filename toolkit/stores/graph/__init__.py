"""`graph:`, the store of Docker 0.7 to 1.9."""
