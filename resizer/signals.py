"""Django signals about variants, for projects.

Each is sent with `send_robust`: Django logs the error of a failing receiver, and pictures go on. Receivers run in the
thread of a request, so keep them short. With `RESPOND_FIRST`, `variant_rendered` comes after the response, perhaps from
the thread of a timer.
"""

from __future__ import annotations

from django.dispatch import Signal

#: A variant was made. `key`, `bytes`, `timings` (seconds by step: read, decode, encode, store), `is_kept` (False if the
#: variants storage failed).
variant_rendered = Signal()
#: A visitor gets a variant, or hears that it is unchanged. `key`, `bytes`, `is_hit` (False if the request waited for a
#: render), `status` (200, 304, or 302 to the storage), `seconds` (since the request reached the app).
variant_served = Signal()
#: A variant's file was deleted. `key`.
variant_removed = Signal()
#: A visitor gets an error in place of a picture. `path`, `error` (a ResizerError), `seconds`.
variant_refused = Signal()
