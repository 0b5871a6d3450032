"""Streams of runs to clients. A client that goes away ends its stream, not the run, unless it asked for that."""
