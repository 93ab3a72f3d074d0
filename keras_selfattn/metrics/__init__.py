"""Measures of how good an output is."""
