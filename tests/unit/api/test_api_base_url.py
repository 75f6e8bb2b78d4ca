from __future__ import annotations

from typing import Any

import pytest

from airflow_channel_provider.api.base_url import normalise_base_url
from airflow_channel_provider.api.transport import Transport
from airflow_channel_provider.exceptions import ChannelConfigurationError


@pytest.mark.parametrize(
    ("host", "schema", "port", "expected"),
    [
        ("app-store-api.channel.io", None, None, "https://app-store-api.channel.io"),
        ("app-store-api.channel.io", "", None, "https://app-store-api.channel.io"),
        ("app-store-api.channel.io/", "https", 443, "https://app-store-api.channel.io"),
        ("https://App-Store-API.channel.io//", None, None, "https://app-store-api.channel.io"),
        ("HTTPS://a.example", "https", None, "https://a.example"),
        (" a.example ", "HTTP", 80, "http://a.example"),
        ("a.example", "http", 443, "http://a.example:443"),
        ("a.example:8443", None, None, "https://a.example:8443"),
        ("a.example:8443", None, 8443, "https://a.example:8443"),
        ("http://127.0.0.1:8765", None, None, "http://127.0.0.1:8765"),
        ("127.0.0.1", "http", 8765, "http://127.0.0.1:8765"),
        ("localhost", "http", None, "http://localhost"),
        ("::1", "http", 8765, "http://[::1]:8765"),
        ("[::1]:8765", "http", None, "http://[::1]:8765"),
        ("http://[::1]", None, None, "http://[::1]"),
        ("0:0:0:0:0:0:0:1", "http", 8765, "http://[::1]:8765"),
        ("[2001:DB8:0::0:1]:443", None, None, "https://[2001:db8::1]"),
        ("a.example.", None, None, "https://a.example"),
        ("https://A.example.:8443/", None, None, "https://a.example:8443"),
        ("localhost.", "http", None, "http://localhost"),
        ("bücher.example.", None, None, "https://xn--bcher-kva.example"),
        ("bücher.example", None, None, "https://xn--bcher-kva.example"),
        ("my_service.internal", None, None, "https://my_service.internal"),
    ],
)
def test_equal_services_get_equal_addresses(
    host: str, schema: str | None, port: int | None, expected: str
) -> None:
    assert normalise_base_url(host, schema=schema, port=port) == expected
    assert Transport(expected).base_url == expected


@pytest.mark.parametrize(
    ("host", "schema", "port", "words"),
    [
        ("", None, None, "host of the connection is empty"),
        ("  ", None, None, "host of the connection is empty"),
        (None, None, None, "host of the connection is empty"),
        ("https://", None, None, "not a valid host name"),
        ("ftp://a.example", None, None, "http or https"),
        ("a.example", "ftp", None, "http or https"),
        ("http://a.example", "https", None, "schema of the connection contradicts"),
        ("a.example:1", None, 2, "port of the connection contradicts"),
        ("a.example:x", None, None, "not a number"),
        ("a.example:99999", None, None, "not a number"),
        ("a.example:0", None, None, "from 1 to 65535"),
        ("a.example", None, 0, "from 1 to 65535"),
        ("a.example", None, 65_536, "from 1 to 65535"),
        ("a.example", None, True, "from 1 to 65535"),
        ("a.example", None, "80", "from 1 to 65535"),
        ("https://user:hunter2@a.example", None, None, "must not hold a user or a password"),
        ("a.example/api", None, None, "without path or query"),
        ("a.example?x=hunter2", None, None, "without path or query"),
        ("a.example#hunter2", None, None, "without path or query"),
        ("a.example\\b", None, None, "without path or query"),
        ("a b", None, None, "not a valid host name"),
        ("a..b", None, None, "not a valid host name"),
        ("a.example..", None, None, "not a valid host name"),
        (".", None, None, "not a valid host name"),
        ("-a.example", None, None, "not a valid host name"),
        ("a" * 64 + ".example", None, None, "not a valid host name"),
        ("a." * 130 + "example", None, None, "not a valid host name"),
        ("ü" * 64, None, None, "not a valid host name"),
        ("[::1", None, None, "not a valid"),
        ("a\x00.example", None, None, "not a valid host name"),
    ],
)
def test_a_wrong_address_names_the_field_and_quotes_nothing(
    host: Any, schema: Any, port: Any, words: str
) -> None:
    with pytest.raises(ChannelConfigurationError) as caught:
        normalise_base_url(host, schema=schema, port=port)
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)
