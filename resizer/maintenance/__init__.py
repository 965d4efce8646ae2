"""What operators run: the work of the commands."""
