"""The offline mirror: one side makes sets of images, media carry them, the other side takes them in.

Each side has a room, `connected` and `closed`, and neither knows the other: they share `records` and `media`.
What is here is for both: how a site stands, and what may go.
"""
