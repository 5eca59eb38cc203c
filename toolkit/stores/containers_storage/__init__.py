"""`containers-storage:`, the root of a podman, buildah or CRI-O that is not running (formats C.2)."""
