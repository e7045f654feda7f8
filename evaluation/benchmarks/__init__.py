"""Figures on public data, as a command and as scripts."""
