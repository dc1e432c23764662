"""Decoding in the child process: imports limits and canvas, and nothing else of pipeline."""
