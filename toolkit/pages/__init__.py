"""Pages for people: each is one HTML file that needs no network, runs nothing, and trusts no text."""
