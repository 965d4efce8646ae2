"""What operators run: the doctor and the purge."""
