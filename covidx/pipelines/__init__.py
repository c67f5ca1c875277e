"""Pipelines: each reads like the method section of a paper, on the public API alone."""
