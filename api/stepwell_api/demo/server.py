"""The running Stepwell as the demo sees it: is it there, and what does it show?"""

import http.client
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

TIMEOUT_S = 10.0
TRACES_PER_REQUEST = 50


class ServerError(Exception):
    """Stepwell does not answer, or not as expected; the message tells the mend."""


class Server:
    """One base URL of a Stepwell, the API's or the OTLP receiver's."""

    def __init__(self, url: str, option: str, key: str | None) -> None:
        self.url = url
        self._option = option
        self._headers = {"X-Stepwell-Key": key} if key else {}

    def check_api(self) -> None:
        """Raises `ServerError` unless the API is ready."""
        status, body = self._request("GET", "/readyz")
        if status != 200:
            raise ServerError(f"{self.url} is not ready yet ({status}): {body[:300].decode(errors='replace')}")

    def check_receiver(self) -> None:
        """Raises `ServerError` unless an empty export is accepted."""
        status, body = self._request("POST", "/v1/traces", {"Content-Type": "application/x-protobuf"})
        if status == 401:
            raise ServerError(f"{self.url} asks for an API key; name one with --key or STEPWELL_KEY")
        if status != 200:
            raise ServerError(f"{self.url}/v1/traces answers {status}: {body[:300].decode(errors='replace')}")

    def executions(self, trace_ids: Sequence[str]) -> list[dict[str, Any]]:
        """All executions of these traces."""
        found: list[dict[str, Any]] = []
        for start in range(0, len(trace_ids), TRACES_PER_REQUEST):
            traces = [("trace_id", trace_id) for trace_id in trace_ids[start : start + TRACES_PER_REQUEST]]
            found += self._items("/api/v1/executions?" + urlencode([("limit", "1000"), *traces]))
        return found

    def steps(self, execution_id: str) -> list[dict[str, Any]]:
        """The steps of an execution; the demo's runs have far fewer than a page."""
        return self._items(f"/api/v1/executions/{quote(execution_id)}/steps?limit=1000")

    def _items(self, path: str) -> list[dict[str, Any]]:
        status, body = self._request("GET", path)
        if status != 200:
            raise ServerError(f"{self.url}{path[:80]} answers {status}: {body[:300].decode(errors='replace')}")
        items: list[dict[str, Any]] = json.loads(body)["items"]
        return items

    def _request(self, method: str, path: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        parts = urlsplit(self.url)
        secure = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        try:
            connection.request(method, parts.path + path, headers=self._headers | (headers or {}))
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise ServerError(
                f"no Stepwell answers at {self.url} ({error}). "
                f"Start one with `stepwell up`, or name the one that runs with {self._option}"
            ) from error
        finally:
            connection.close()
