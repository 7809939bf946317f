"""From where a browser sends a request, as the browser itself tells.

A page of another site can have a visitor's browser send requests here, with its cookies and past its firewall. What
browsers tell about it (Fetch Metadata, and Origin as RFC 6454 has it) cannot be forged by the page.
"""

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_SITES = ("same-origin", "none")
"""``none``: the person asked for it, by the address bar or a bookmark."""


def comes_from_elsewhere(request: HTTPConnection) -> bool:
    """Whether a request may be another site's doing; what tells nothing about its origin may be."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in OWN_SITES
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc != request.headers.get("host")
