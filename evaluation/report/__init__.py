"""The lead's report."""
