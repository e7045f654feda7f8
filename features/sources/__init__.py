"""Readers of ticket exports, one contract."""
