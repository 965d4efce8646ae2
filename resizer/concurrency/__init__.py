"""Waiting: for a variant in the making, and for limited threads, cores, memory, fetches and child processes.

A request for a variant has one deadline: `LOCK_SECONDS` after its start. The table lists every wait of the app. Fetches
are in `sources`, children in `engines/isolation`, the last rows in `storages`, `records` and `databases.py`.

| waiting | for | counted per | how long | then | setting |
|---|---|---|---|---|---|
| a request for a new variant, or for the header of a new original | one of the threads that may make variants or wait for them | process | until 0.5 s after another thread began the same variant; else not at all | 503 | `MAX_WAITING_PER_PROCESS` |
| … with such a thread | the thread that makes the same variant | process | the rest of `LOCK_SECONDS`; beyond 2 s at most 4 threads for one variant | 503 | `LOCK_SECONDS` |
| the thread that makes a variant | another process that makes the same variant | machine | the rest of `LOCK_SECONDS` | 503; without a lock directory it goes on | `LOCK_SECONDS`, `LOCK_DIRECTORY` |
| … one process of each machine | another host that makes the same variant | hosts | the rest of `LOCK_SECONDS`; for a host that has died at most 10 s | 503; without a cache for locks it goes on | `LOCK_SECONDS`, `CACHE` |
| … | its batch: up to 8 variants of the same original and recipe | process | the rest of `LOCK_SECONDS`; the batch begins no variant after the deadline of its first request | 503 | `LOCK_SECONDS` |
| a batch | a core, and memory | machine | the rest of `LOCK_SECONDS`; not at all while `MAX_WAITING` batches wait | 503 | `LOCK_SECONDS`, `MAX_RENDERS`, `MAX_RENDER_MEGABYTES`, `MAX_WAITING` |
| a fetch for a variant | one of the fetches from the same host or remote storage | process | 1 s, for 2 fetches of a process; not at all for others | 503 | `MAX_FETCHES` |
| a fetch for a page | one of the fetches from the same host or remote storage | process | not at all | the page shows the original as it is | `MAX_FETCHES` |
| a fetch for a command | one of the fetches from the same host or remote storage | process | 10 s | the command reports it | `MAX_FETCHES` |
| all fetches for a variant together, or one fetch for a page | web servers | request | 7 s | 504; the page shows the original as it is | `deadline_seconds` of `HttpSource` |
| a page | a source that was too slow for another page | process | not at all for 10 s | the page shows the original as it is | – |
| a header, or a batch with its core | an idle child process, or the start of one | process | 10 s for each | 503 | `ISOLATION`, `MAX_RENDERS` |
| … | the work of its child process | child process | `RENDER_SECONDS` of CPU time, or 2 times that of wall-clock time | 422; 503 if other processes had the core | `RENDER_SECONDS` |
| a new variant in memory, for its file and row | the end of its response | process | 2 s; not at all beyond 64 MB of them, or after a failure of the variants storage in the last 60 s | it is stored before the response | `RESPOND_FIRST` |
| after a response, the sketch of an original for its row | the child process that looks at it | process | like the work of its child process | the original has no sketch yet | `RESPOND_FIRST` |
| a read of the variants storage | one of the threads that may read from it | process | 1 s | 503 | `MAX_WAITING_PER_PROCESS` |
| … | one of 4 reads, once a read has taken 1 s | process | not at all | 503 | – |
| under ASGI, a request before Django | one of 4 threads, and the read of its variant | process | 1 s | Django responds | – |
| a call to the cache | a cache that has failed after 0.1 s or more | process | not at all for 10 s | the request goes on without the cache | `CACHE` |
| a query | a row or table that another transaction has locked | thread | 2 s; in the next 10 s 0.05 s | the request goes on without the query | – |
| … | a database that has failed after 1 s or more, or has no connection | process | not at all for 30 s | the request goes on without the database | – |
"""
