"""`containerd-root:`, the store of Kubernetes, of nerdctl, and of Docker 29 in its data root."""
