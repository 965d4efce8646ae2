"""Checks of a file before a decoder opens it."""
