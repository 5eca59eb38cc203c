"""The connected side: names are resolved, images fetched, and the next set is made of them."""
