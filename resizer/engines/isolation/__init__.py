"""Engines in child processes."""
