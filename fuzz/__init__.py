"""Fuzzing: what readers of untrusted bytes are given, and how; see README.md here."""
