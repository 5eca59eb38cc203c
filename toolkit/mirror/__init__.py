"""The offline mirror: what it means, without a scheduler and without a command line."""
