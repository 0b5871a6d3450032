"""Benchmarks: each compares two things in one run. `python -m bench NAME`, or all of them without a name."""
