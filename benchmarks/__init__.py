"""Benchmarks for the claims about speed and memory: `python -m benchmarks --help`."""
