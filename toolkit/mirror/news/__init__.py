"""News: what a run came to, for people and machines; mail, webhook, figures, pages."""
