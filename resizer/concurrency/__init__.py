"""Waiting: threads, processes and hosts that want the same thing, or more than there is.

A request for a variant has one deadline, `LOCK_SECONDS` after it begins. The table has every wait of the app; the last
rows are those of other rooms.

| waiting | for | counted per | how long | then | setting |
|---|---|---|---|---|---|
| a request for a new variant, or a new original's header | one of the threads that may make variants or wait for them | process | not at all; until 0.2 s after another thread began the same variant | 503 | `MAX_WAITING_PER_PROCESS` |
| … with such a thread | the thread that makes the same variant | process | what is left of `LOCK_SECONDS`; beyond 2 s at most 4 threads for one variant | 503 | `LOCK_SECONDS` |
| the thread that makes a variant | another process that makes it | machine | what is left of `LOCK_SECONDS` | 503; without a lock directory it goes on | `LOCK_SECONDS`, `LOCK_DIRECTORY` |
| … one process of each machine | another host that makes it | hosts | what is left of `LOCK_SECONDS` | 503; without a cache that locks it goes on | `LOCK_SECONDS`, `CACHE` |
| … | its batch: up to 8 variants of the same original and recipe | process | what is left of `LOCK_SECONDS`; the batch begins no variant after that of its first request | 503 | `LOCK_SECONDS` |
| a batch | a core, and memory | machine | what is left of `LOCK_SECONDS`; not at all while `MAX_WAITING` batches wait | 503 | `LOCK_SECONDS`, `MAX_RENDERS`, `MAX_RENDER_MEGABYTES`, `MAX_WAITING` |
| a fetch for a variant | one of the fetches from the same host or remote storage | machine; process as well unless `MAX_FETCHES` is set | 1 s, for 2 fetches of a process; not at all for others | 503 | `MAX_FETCHES` |
| a fetch for a page | one of the fetches from the same host or remote storage | machine; process as well unless `MAX_FETCHES` is set | not at all | the page shows the original as it is | `MAX_FETCHES` |
| a fetch for a command | one of the fetches from the same host or remote storage | machine; process as well unless `MAX_FETCHES` is set | 10 s | the command reports it | `MAX_FETCHES` |
| all fetches for a variant together, or one fetch for a page | web servers | request | 7 s | 504; the page shows the original as it is | `deadline_seconds` of `HttpSource` |
| a page | a source that was too slow for a page | hosts | not at all for 10 s | the page shows the original as it is | `CACHE` |
| a header, or a batch with its core | an idle child process, or the start of one | process | 10 s for each | 503 | `ISOLATION`, `MAX_RENDERS` |
| … | the work of its child process | child process | `RENDER_SECONDS` of a core, or 2 times that on the clock | 422; 503 if other processes had the core | `RENDER_SECONDS` |
| a read of the variants storage | one of 4 reads, once a read has taken 1 s | process | not at all | 503 | – |
| a call of the cache | a cache that has failed after 0.1 s or more | process | not at all for 10 s | it goes on without | `CACHE` |
| a query | what another transaction has locked | thread | 2 s; in the next 10 s 0.05 s | it goes on without | – |
| … | a database that has failed after 1 s or more, or has no connection | process | not at all for 30 s | it goes on without | – |
"""
