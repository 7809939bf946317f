"""Where webhooks may go: a table of addresses, and what a URL may hold."""

import ipaddress

import pytest

from stepwell_api.webhooks.addresses import (
    RefusedAddressError,
    Target,
    check,
    parse_networks,
    parse_url,
    refusal,
    resolve,
)

PUBLIC = ["8.8.8.8", "1.1.1.1", "100.63.255.255", "172.15.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
PRIVATE = [
    "0.0.0.0", "127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1",
    "169.254.1.1", "169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.8", "198.18.0.1",
    "192.0.2.1", "224.0.0.1", "239.1.1.1", "255.255.255.255", "240.0.0.1",
    "::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd12:3456::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.1.1.1", "::127.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_called(address: str) -> None:
    assert refusal(ipaddress.ip_address(address)) is None
    check(address, "https", ())


@pytest.mark.parametrize("address", PRIVATE)
def test_other_addresses_may_not(address: str) -> None:
    assert refusal(ipaddress.ip_address(address)) is not None


@pytest.mark.parametrize(
    ("address", "allowed", "may"),
    [
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", True),
        ("192.168.0.1", "10.0.0.0/8", False),
        ("::ffff:10.1.2.3", "10.0.0.0/8", True),
        ("fd00::1", "fd00::/8", True),
        # Where a cloud tells credentials: only on purpose.
        ("169.254.169.254", "169.254.0.0/16", False),
        ("::ffff:169.254.169.254", "0.0.0.0/0,::/0", False),
        ("169.254.169.254", "169.254.169.254", True),
    ],
)
def test_what_the_operator_allows(address: str, allowed: str, may: bool) -> None:
    assert (refusal(ipaddress.ip_address(address), parse_networks(allowed)) is None) is may


def test_plain_http_only_to_networks_that_are_allowed() -> None:
    check("10.1.2.3", "http", parse_networks("10.0.0.0/8"))
    with pytest.raises(RefusedAddressError, match="https alone"):
        check("8.8.8.8", "http", ())


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/", "https://", "https:///x", "https://user@example.com/", "https://u:p@example.com/",
        "https://example.com/#part", "https://example.com:0/", "https://example.com:99999/", "https://exa mple.com/",
        "https://example.com/\r\nx: y", "https://[fe80::1%25eth0]/", "https://[::1", "https://ex\\ample.com/",
        "https://bücher.example/", "https://example.com/" + "a" * 2000, "javascript:alert(1)", "//example.com/",
    ],
)  # fmt: skip
def test_odd_urls_are_refused(url: str) -> None:
    with pytest.raises(RefusedAddressError):
        parse_url(url)


def test_url_in_its_parts() -> None:
    assert parse_url("https://[2606:4700::1111]:8443/a/b?c=d") == Target("https", "2606:4700::1111", 8443, "/a/b?c=d")
    assert parse_url("https://Example.COM.").authority == "example.com"
    assert parse_url("http://example.com:8080").authority == "example.com:8080"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "[::1]"])
async def test_other_spellings_of_this_machine_are_found_out(host: str) -> None:
    with pytest.raises(RefusedAddressError):
        await resolve(parse_url(f"https://{host}/"))
