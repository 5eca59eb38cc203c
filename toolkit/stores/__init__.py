"""Places with names: one file, or one folder, each."""
