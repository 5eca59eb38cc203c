"""Carries container images across a gap without losing a byte."""
