"""Originals from web servers."""
