"""A client of S3 whose bucket is a dictionary and whose clock a test turns."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

from botocore.exceptions import ClientError


class BucketInMemory:
    """
    See the module.

    :param clock: seconds; its dates tell whole ones.
    """

    class meta:  # noqa: N801 - as a client has it
        endpoint_url = "memory"

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.objects: dict[str, bytes] = {}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        if Key not in self.objects:
            raise self._error("GetObject", "NoSuchKey", 404)
        content = self.objects[Key]
        return {**self._told(200), "ETag": _etag(content), "Body": io.BytesIO(content)}

    def put_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        Body: bytes,  # noqa: N803
        IfMatch: str | None = None,  # noqa: N803
        IfNoneMatch: str | None = None,  # noqa: N803
        **ignored: str,
    ) -> dict[str, Any]:
        there = self.objects.get(Key)
        if (IfNoneMatch and there is not None) or (IfMatch and (there is None or _etag(there) != IfMatch)):
            raise self._error("PutObject", "PreconditionFailed", 412)
        self.objects[Key] = Body
        return {**self._told(200), "ETag": _etag(Body)}

    def _told(self, status: int) -> dict[str, Any]:
        date = formatdate(self._clock(), usegmt=True)
        return {"ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {"date": date}}}

    def _error(self, operation: str, code: str, status: int) -> ClientError:
        response: Any = {**self._told(status), "Error": {"Code": code}}
        return ClientError(response, operation)


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content).hexdigest()}"'
