"""Media: the volumes of a set; cut, joined by parity, found, proven, healed, read in place."""
