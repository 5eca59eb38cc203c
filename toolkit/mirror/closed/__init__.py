"""The closed side: what came on media is judged, taken in, handed on, and told in a receipt."""
