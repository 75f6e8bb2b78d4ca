"""
Reads the envelope of an answer, which decides about success: refusals come with HTTP status 200.

Success is a ``result`` (or none: some functions have no result), or a bare object as the vendor describes for the token
functions. An ``error`` that is absent, null or empty is no error. Everything else is a refusal, or not an answer of
this service, see :mod:`.refusals`. Pure: returns a result or raises an error of the tree.
"""

from __future__ import annotations

from collections.abc import Collection

from airflow_channel_provider.api.json_body import JSON, to_json
from airflow_channel_provider.api.transport import Response


def read_native(
    response: Response,
    *,
    method: str,
    secrets: Collection[str] = (),
    now: float,
    channel_id: str | None = None,
    app_function: bool = False,
) -> JSON:
    """
    Take the result out of an answer.

    :param response: of the native or app function endpoint.
    :param method: function that was called.
    :param secrets: texts that must not appear in an exception: the token, the App Secret.
    :param now: epoch seconds, for the reset of a rate limit.
    :param channel_id: the channel that ``issueToken`` asked for.
    :param app_function: an app's own function, whose name, codes and words say nothing about the service.
    :return: the result; None where the function has none.
    :raises ChannelRequestError: the service refused; in most cases one of its subclasses.
    :raises ChannelResponseError: no valid envelope, or a redirect.
    """
    body = _object_in(response)
    if body is not None and _has_result(body):
        return body["result"]
    from airflow_channel_provider.api.refusals import read_refusal

    return read_refusal(
        response,
        body,
        method=method,
        secrets=secrets,
        now=now,
        channel_id=channel_id,
        app_function=app_function,
    )


def _object_in(response: Response) -> dict[str, JSON] | None:
    """Return the object that the body of an answer with a status of success is."""
    if not 200 <= response.status < 300:
        return None
    try:
        body = to_json(response.body)
    except ValueError:
        return None
    return body if type(body) is dict else None


def _has_result(body: dict[str, JSON]) -> bool:
    """Return whether an answer looks like a success, as nearly all do; a field ``success`` is read as well."""
    result = body.get("result")
    return (
        "result" in body and not body.get("error") and not (isinstance(result, dict) and "success" in result)
    )
