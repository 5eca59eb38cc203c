"""Layers that lie as trees of files, read as the tars they came from: what several stores share."""
