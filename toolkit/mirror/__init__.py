"""The offline mirror: what a job means, what a night carries, and what the closed side is known to have."""
