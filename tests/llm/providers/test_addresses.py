"""The guard of base URLs: what is refused when it is written, and what when it is called."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from llm.providers.addresses import (
    UnsafeAddress,
    allowed_networks,
    check_addresses,
    literal_address,
    parse_base_url,
)

# Spellings that are refused as they stand, whatever they would resolve to.
MALFORMED = [
    "",
    "api.mistral.ai",
    "//api.mistral.ai/v1",
    "ftp://api.mistral.ai/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_SET",
    "javascript:alert(1)",
    "https:/api.mistral.ai",
    "https:api.mistral.ai",
    "https:///api.mistral.ai",
    "https://",
    "https:///",
    "https://user@api.mistral.ai/",
    "https://user:password@api.mistral.ai/",
    "https://api.mistral.ai@169.254.169.254/",
    "https://api.mistral.ai:443@169.254.169.254/",
    "https://169.254.169.254#@api.mistral.ai/",
    "https://api.mistral.ai/#fragment",
    "https://api.mistral.ai/?query=1",
    "https://api.mistral.ai/v1?x",
    "https://api.mistral.ai\\@169.254.169.254/",
    "https://api.mistral.ai\\.evil.example/",
    "https://api.mistral.ai /",
    " https://api.mistral.ai/",
    "https://api.mistral.ai/\n",
    "https://api.mistral.ai/\r\nHost: evil.example",
    "https://api.mis\ttral.ai/",
    "https://api.mistral.ai/v1/%2e%2e/admin",
    "https://api.mistral.ai/../admin",
    "https://api.mistral.ai/v1/./admin",
    "https://api.mistral.ai/v1/..",
    "https://api%2emistral.ai/",
    "https://①②⑦.⓪.⓪.①/",
    "https://１２７.0.0.1/",  # noqa: RUF001 - full-width digits are the point
    "https://127。0。0。1/",
    "https://ⓛocalhost/",
    "https://münchen.example/",
    "https://api.mistral.ai:0/",
    "https://api.mistral.ai:65536/",
    "https://api.mistral.ai:99999/",
    "https://api.mistral.ai:https/",
    "https://api.mistral.ai:/",
    "https://api.mistral.ai:-1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://0/",
    "https://127.0.0.1.5/",
    "https://256.256.256.256/",
    "https://127.0.0.01/",
    "https://example.0x7f/",
    "https://.example.org/",
    "https://example..org/",
    "https://-example.org/",
    "https://example.org-/",
    "https://example.org./",
    "https://" + "a" * 64 + ".example/",
    "https://[::1/",
    "https://::1/",
    "https://[::1]x/",
    "https://[fe80::1%25eth0]/",
    "https://[127.0.0.1]/",
    "https://[::ffff:999.0.0.1]/",
]

# Addresses that no call may reach, by whatever spelling or inner address.
NOT_PUBLIC = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "169.254.170.2",
    "100.64.0.1",
    "100.100.100.200",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::a9fe:a9fe",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "2002:7f00:1::1",
    "2002:a9fe:a9fe::1",
    "2002:c0a8:101::",
    "2001:0:4136:e378:8000:63bf:5601:5601",  # Teredo to 169.254.169.254
    "2001:0:4136:e378:8000:63bf:80ff:fffe",  # Teredo to 127.0.0.1
    "2001:db8::1",
    "2001:10::1",
    "2001:20::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "100::1",
]
PUBLIC = [
    "93.184.216.34",
    "1.1.1.1",
    "8.8.8.8",
    "2606:4700:4700::1111",
    "2a00:1450:4001:82a::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
]


def test_there_are_more_than_a_hundred_vectors() -> None:
    assert len(MALFORMED) + len(NOT_PUBLIC) > 100


@pytest.mark.parametrize("text", MALFORMED)
def test_a_base_url_that_two_parsers_could_read_differently_is_refused(text: str) -> None:
    with pytest.raises(UnsafeAddress):
        parse_base_url(text)


@pytest.mark.parametrize(
    ("text", "parts", "again"),
    [
        ("https://api.mistral.ai/v1", ("https", "api.mistral.ai", 443, "/v1"), None),
        ("https://API.Mistral.AI/v1/", ("https", "api.mistral.ai", 443, "/v1"),
         "https://api.mistral.ai/v1"),
        ("https://api.mistral.ai:443", ("https", "api.mistral.ai", 443, ""),
         "https://api.mistral.ai"),
        ("http://127.0.0.1:11434", ("http", "127.0.0.1", 11434, ""), None),
        ("http://[::1]:8000/v1", ("http", "::1", 8000, "/v1"), None),
        ("https://[2606:4700:0::1111]/", ("https", "2606:4700::1111", 443, ""),
         "https://[2606:4700::1111]"),
        ("http://ollama:11434", ("http", "ollama", 11434, ""), None),
        ("https://xn--mnchen-3ya.example/openai/v1", ("https", "xn--mnchen-3ya.example", 443,
         "/openai/v1"), None),
        ("https://my_host.example/a-b/c.d~e", ("https", "my_host.example", 443, "/a-b/c.d~e"),
         None),
    ],
)  # fmt: skip
def test_a_plain_base_url_is_read_into_its_parts(
    text: str, parts: tuple[str, str, int, str], again: str | None
) -> None:
    url = parse_base_url(text)
    assert (url.scheme, url.host, url.port, url.path) == parts
    assert str(url) == (again or text)
    assert parse_base_url(str(url)) == url


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_an_address_that_is_not_public_is_refused(text: str) -> None:
    with pytest.raises(UnsafeAddress):
        check_addresses("host", [ip_address(text)], scheme="https", networks=())


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_is_called_by_https_only(text: str) -> None:
    check_addresses("host", [ip_address(text)], scheme="https", networks=())
    with pytest.raises(UnsafeAddress, match="https"):
        check_addresses("host", [ip_address(text)], scheme="http", networks=())


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_one_bad_address_among_good_ones_refuses_the_name(text: str) -> None:
    addresses = [ip_address("1.1.1.1"), ip_address(text), ip_address("8.8.8.8")]
    with pytest.raises(UnsafeAddress):
        check_addresses("host", addresses, scheme="https", networks=())


def test_a_name_without_addresses_is_refused() -> None:
    with pytest.raises(UnsafeAddress):
        check_addresses("host", [], scheme="https", networks=())


def test_the_operator_allows_networks_and_nothing_beside_them() -> None:
    networks = allowed_networks(["10.1.0.0/16", " ::1/128 ", ""])
    for text in ("10.1.2.3", "::1", "::ffff:10.1.2.3"):
        check_addresses("host", [ip_address(text)], scheme="http", networks=networks)
    for text in ("10.2.0.1", "127.0.0.1", "64:ff9b::a01:203", "2002:a01:203::1", "::2"):
        with pytest.raises(UnsafeAddress):
            check_addresses("host", [ip_address(text)], scheme="https", networks=networks)


def test_only_plain_spellings_are_addresses() -> None:
    assert literal_address("127.0.0.1") == ip_address("127.0.0.1")
    assert literal_address("models.example") is None
