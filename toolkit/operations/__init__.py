"""Verbs, written against the ports: they know no store and no bundle by name."""
