"""moto's server, whose conditional PUT is one: `python -m tests.aws.storage -p PORT`"""

from __future__ import annotations

import threading
from typing import Any

from moto import server
from moto.s3.responses import S3Response

_lock = threading.Lock()
_put_object = S3Response.put_object


def _put_alone(self: S3Response) -> Any:
    # It looks whether there is the key, and writes it a while later, when another may have been written.
    with _lock:
        return _put_object(self)


if __name__ == "__main__":
    S3Response.put_object = _put_alone  # type: ignore[method-assign]
    server.main()
