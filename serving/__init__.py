"""The suggester and the service around it."""
