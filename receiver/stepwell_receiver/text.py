"""Text as PostgreSQL can hold it: valid Unicode without NUL.

Bad characters are replaced one by one (U+FFFD), because a broken string must cost neither its span nor its request.
"""

from typing import Final

REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


def text_of(raw: bytes) -> str:
    """`raw` as text, whatever bytes it holds."""
    text = raw.decode("utf-8", "replace")
    return text.replace("\0", REPLACEMENT) if "\0" in text else text


def clean(text: str) -> str:
    """`text` without NUL characters and lone surrogates, which JSON can escape but no encoding can write."""
    if "\0" in text:
        text = text.replace("\0", REPLACEMENT)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
