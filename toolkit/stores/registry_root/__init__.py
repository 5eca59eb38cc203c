"""What a registry of docker/distribution keeps on its disk, read without it."""
