"""Who waits for whom: threads, processes and hosts."""
