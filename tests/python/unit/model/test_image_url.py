"""URLs of images: what the API takes, and what messages show."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from controller.model import document
from controller.model.image import IMAGE, ImageSpec
from controller.model.image_url import shown_url

CHECKSUM = "sha256:" + "0" * 64
SECRETS = (
    "https://user:Hunter2@images.example.com/a",
    "https://Hunter2@images.example.com/a",
    "https://images.example.com/a?token=Hunter2",
    "https://images.example.com/a?x=1&access-token=Hunter2",
    "https://images.example.com/a?x=1;ACCESS_TOKEN=Hunter2",
    "https://images.example.com/a?X-Amz-Signature=Hunter2",
    "https://images.example.com/a?X-Amz-Credential=Hunter2",
    "https://images.example.com/a?sv=1&sig=Hunter2",
    "https://images.example.com/a?api%5Fkey=Hunter2",
    "https://images.example.com/a?password=Hunter2",
    "https://images.example.com/a#token=Hunter2",
    "http://images.example.com\\@Hunter2/a",
    "file://root:Hunter2@/srv/a",
)


def read(url: str, *, stored: bool = False) -> ImageSpec:
    raw = {"kind": "Image", "name": "a", "region": "kanto", "spec": {"url": url, "checksum": CHECKSUM}}
    if stored:
        return IMAGE.model.read_stored(json.dumps(raw)).spec
    return IMAGE.model.model_validate(raw).spec


@pytest.mark.parametrize("url", SECRETS)
def test_credentials_are_refused_and_shown_nowhere(url: str) -> None:
    with pytest.raises(ValidationError) as raised:
        read(url)
    (problem,) = document.problems(raised.value)
    assert problem.path == "spec.url"
    assert "Hunter2" not in str(problem)
    assert read(url, stored=True).url == url, "what was stored before stays readable"
    assert "Hunter2@" not in shown_url(url)
    assert "=Hunter2" not in shown_url(url)


@pytest.mark.parametrize("part", ["kernel", "initrd"])
def test_files_of_the_direct_boot_too(part: str) -> None:
    boot = {"url": SECRETS[0], "checksum": CHECKSUM}
    with pytest.raises(ValidationError, match="must not contain credentials"):
        ImageSpec.model_validate({"url": "file:///a", "checksum": CHECKSUM, part: boot})


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1", "127.0.0.1.", "1%32%37.0.0.1", "[::1", "[x]"]
)
def test_an_ip_address_has_one_form(host: str) -> None:
    with pytest.raises(ValidationError):
        read(f"http://{host}/a")


@pytest.mark.parametrize(
    "url",
    ["http://", "http:///a", "http://:80/a", "http://h:99999/a", "file://host/a", "file:///a%00b", "ftp://h/a", "/a"],
)
def test_what_is_no_url_of_an_image(url: str) -> None:
    with pytest.raises(ValidationError):
        read(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1/a",
        "http://[2001:db8::1]:8080/a",
        "https://images.example.com/a.qcow2?version=3&monkey=1",
        "https://images.example.com/@v1/a.qcow2",
        "https://1und1.example/a",
        "file:///srv/a.qcow2",
        "file://localhost/srv/a.qcow2",
    ],
)
def test_what_is_taken(url: str) -> None:
    assert read(url).url == url


def test_messages_show_where_and_no_more() -> None:
    assert shown_url("https://u:p@h:8443/a/b?x=1#y") == "https://h:8443/a/b"
    assert shown_url("file:///srv/a") == "file:///srv/a"
    assert shown_url("http://[::1/a") == "the URL"
