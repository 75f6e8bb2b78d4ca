"""
A bucket as a token store needs it: get and put of small objects, under conditions, and what each error means.

A request is sent once; the store decides whether it is repeated. Keys are ``<prefix>/<name>``.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError, ChannelNotSentError
from airflow_channel_provider.tokens.validation import MOST_BYTES

CLIENT_OPTIONS: dict[str, Any] = {
    "connect_timeout": 5.0,
    "read_timeout": 5.0,
    # A conditional PUT that the client repeats by itself would meet its own effect and report a conflict.
    "retries": {"total_max_attempts": 1},
}
"""Of botocore's ``Config``, for the client of a bucket."""

_PASSING_CODES = {"RequestTimeout", "SlowDown", "InternalError", "ServiceUnavailable", "Throttling"}
_CREDENTIAL_CODES = {
    *("ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidToken"),
    *("SignatureDoesNotMatch", "RequestTimeTooSkewed", "TokenRefreshRequired", "UnrecognizedClientException"),
}
_REGION_CODES = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
_OPERATIONS = {"GetObject": "read", "PutObject": "write", "ListObjectsV2": "list"}
_PERMISSIONS = {"read": "GetObject", "write": "PutObject", "list": "ListBucket"}


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What a bucket returns for a key.

    :param date: of the server, whole seconds.
    :param endpoint: address of the server.
    :param etag: None if there is no object.
    :param content: at most one byte more than the maximum size of a document.
    :param forbidden: there is no object, or this identity may not read it.
    """

    date: float
    endpoint: str
    etag: str | None = None
    content: bytes = b""
    forbidden: bool = False


class Bucket:
    """
    Reads and writes small objects. Each method raises :class:`.ChannelNotSentError` for a temporary problem, and
    :class:`.ChannelConfigurationError` for one that somebody has to correct.

    :param connect: makes a ``boto3`` client of S3 with :data:`CLIENT_OPTIONS`; called when the bucket is first used,
        and again after a fork or an error.
    :param name: of the bucket.
    :param prefix: of the keys, without a slash at its end; may be empty.
    :param address: of the store; for messages.
    """

    def __init__(self, connect: Callable[[], Any], name: str, prefix: str, address: str) -> None:
        self._connect = connect
        self._name = name
        self._prefix = f"{prefix}/" if prefix else ""
        self._address = address
        self._client: Any = None
        self._inherited: Any = None
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._start_anew)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()
        # It is neither closed nor released: its connections belong to the parent.
        self._inherited, self._client = self._client or self._inherited, None

    def get(self, name: str) -> Answer:
        """Read an object."""
        from botocore.exceptions import ClientError

        with self._honest_errors("read"):
            client = self._opened()
            endpoint = _without_login(str(client.meta.endpoint_url))
            try:
                answer = client.get_object(Bucket=self._name, Key=self._prefix + name)
            except ClientError as error:
                # Without the permission to list, S3 reports a missing key as forbidden.
                if _code(error) not in ("NoSuchKey", "AccessDenied") or error.operation_name != "GetObject":
                    raise
                return Answer(self._date(error.response), endpoint, forbidden=_code(error) == "AccessDenied")
            return Answer(self._date(answer), endpoint, answer["ETag"], answer["Body"].read(MOST_BYTES + 1))

    def put(self, name: str, content: bytes, **condition: str) -> str | None:
        """
        Write an object.

        :param condition: ``IfNoneMatch="*"`` to create it, ``IfMatch=etag`` to replace one.
        :return: its ETag; None if the condition did not hold, or another write came first.
        """
        from botocore.exceptions import ClientError, ParamValidationError

        with self._honest_errors("write"):
            try:
                answer = self._opened().put_object(
                    Bucket=self._name,
                    Key=self._prefix + name,
                    Body=content,
                    ContentType="application/json",
                    **condition,
                )
            except ClientError as error:
                if condition and (_status(error) in (409, 412) or _code(error) == "NoSuchKey"):
                    return None
                if condition and _status(error) == 501:
                    raise self.ignoring(f"does not know the condition {next(iter(condition))}") from error
                raise
            except ParamValidationError as error:
                if "Unknown parameter" not in str(error):
                    raise
                raise ChannelConfigurationError(
                    f"Option [channel_talk] store: {self._address} needs boto3 1.37.2 or newer where the tasks run: "
                    "pip install -U boto3. No token request was sent."
                ) from error
            return str(answer["ETag"])

    def names(self) -> list[str]:
        """List the objects."""
        names: list[str] = []
        with self._honest_errors("list"):
            pages = self._opened().get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._name, Prefix=self._prefix, Delimiter="/"):
                names += [entry["Key"].removeprefix(self._prefix) for entry in page.get("Contents", ())]
        return names

    def ignoring(self, fault: str) -> ChannelConfigurationError:
        """Return the error for a server that ignores conditions."""
        server = urlsplit(_without_login(str(self._opened().meta.endpoint_url))).netloc
        return ChannelConfigurationError(
            f"Option [channel_talk] store: the server {server} behind {self._address} {fault} of a write, so two "
            "tasks could each send a token request without seeing the other. Use Amazon S3 or another server "
            "with conditional writes, or redis://CONN_ID or sql://CONN_ID; no token request was sent."
        )

    def forbidden(self, done: str) -> ChannelConfigurationError:
        """
        Return the error for a permission that is missing.

        :param done: ``read``, ``write`` or ``list``.
        """
        what = self._name if done == "list" else f"{self._name}/{self._prefix}*"
        need = "Only the page and 'airflow channel quota' need it. " if done == "list" else ""
        return ChannelConfigurationError(
            f"Option [channel_talk] store: the identity behind {self._address} may not {done} there. Grant it "
            f"s3:{_PERMISSIONS[done]} on arn:aws:s3:::{what}. {need}No token request was sent."
        )

    def trouble(self, reason: str) -> ChannelNotSentError:
        """Return the error for a temporary problem."""
        return ChannelNotSentError(
            f"The token store {self._address} can't be used now: {reason} No token request was sent."
        )

    def _opened(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _date(self, answer: Mapping[str, Any]) -> float:
        try:
            return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()
        except (KeyError, TypeError, ValueError):
            raise self.trouble("its answers have no Date.") from None

    @contextlib.contextmanager
    def _honest_errors(self, done: str) -> Iterator[None]:
        from botocore import exceptions as boto

        try:
            yield
        except ChannelError:
            raise
        except boto.ClientError as error:
            raise self._described(error, done) from error
        except (boto.ConnectionError, boto.HTTPClientError, boto.IncompleteReadError) as error:
            raise self.trouble(_sentence(error)) from error
        except boto.BotoCoreError as error:
            self._client = None
            raise ChannelConfigurationError(
                f"Option [channel_talk] store: {self._address} can't be used: {_sentence(error)} Correct the AWS "
                "connection or the identity of the process (credentials, region), or the name of the bucket; no token "
                "request was sent."
            ) from error

    def _described(self, error: Any, done: str) -> ChannelError:
        code, status = _code(error), _status(error)
        if code in _PASSING_CODES or status >= 500 or status in (409, 429):
            return self.trouble(_sentence(error))
        self._client = None  # the connection may be corrected while this process lives
        if code == "AccessDenied" and error.operation_name in _OPERATIONS:
            return self.forbidden(done)
        if code == "NoSuchBucket":
            fault = f"the bucket {self._name!r} does not exist. Create it, or correct the option"
        elif code in _REGION_CODES or status in (301, 307):
            fault = (
                f"the bucket {self._name!r} is in another region ({code}). Set region_name in the extra of the AWS "
                "connection, or AWS_DEFAULT_REGION, to the region of the bucket"
            )
        elif code in _CREDENTIAL_CODES:
            fault = (
                f"the credentials behind {self._address} are refused ({code}). Renew them in the AWS connection, or in "
                "the identity of the process, and check the clock of this host"
            )
        else:
            fault = f"{self._address} can't be used: {_sentence(error).rstrip('.')}"
        return ChannelConfigurationError(f"Option [channel_talk] store: {fault}; no token request was sent.")


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _status(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _sentence(error: Exception) -> str:
    text = _without_login(" ".join(str(error).split()))
    return f"{text.rstrip('.') or type(error).__name__}."


def _without_login(text: str) -> str:
    """Return a text without the user and password of the addresses in it, which botocore repeats in its errors."""
    return re.sub(r"(?<=://)[^/\s\"']*@", "", text)
