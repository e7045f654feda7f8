"""Metrics, reports, gates and public benchmarks."""
