"""A registry that is spoken to by the OCI distribution API, read and written."""
