"""The offline mirror: what it means, without a scheduler."""
