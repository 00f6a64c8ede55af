"""The engine's arithmetic for few rows in C, for processors with AVX2.

A part that may be missing: without a compiler at installation torch does the same, more slowly.
"""
