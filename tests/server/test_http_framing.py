"""Octets that two readers of HTTP could take for two requests: 400 or a closed connection (RFC 9112)."""

import contextlib
import signal
import socket

import pytest

from testkit.serve import ended, init, serving

FORM = "Content-Type: application/x-www-form-urlencoded\r\n"
SECOND = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    path = tmp_path_factory.mktemp("framing") / "state"
    init(path)
    with serving(path) as process:
        yield process.ready["http"]


def said(port, octets):
    """What comes until the server closes or is silent: the status of each answer, and whether it closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=1) as peer:
        peer.sendall(octets if isinstance(octets, bytes) else octets.encode("latin-1"))
        got = b""
        try:
            while piece := peer.recv(65536):
                got += piece
        except TimeoutError:
            return statuses(got), False
        except ConnectionError:
            pass
        return statuses(got), True


def statuses(got):
    return [int(part[4:7]) for part in got.split(b"HTTP/1.")[1:] for part in (b"/1." + part[1:],)]


def post(headers, body="", version="1.1", path="/token"):
    return f"POST {path} HTTP/{version}\r\n{headers}{FORM}\r\n{body}"


CHUNKED = "3\r\na=1\r\n0\r\n\r\n"
AMBIGUOUS = {
    "both lengths": post("Host: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n", CHUNKED),
    "both, other order": post("Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 30\r\n", CHUNKED),
    "both, case": post("Host: a\r\ntRANSFER-eNCODING: Chunked\r\nCONTENT-LENGTH: 3\r\n", CHUNKED),
    "chunks in 1.0": post("Transfer-Encoding: chunked\r\n", CHUNKED, "1.0"),
    "two lengths": post("Host: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n", "a=1&"),
    "a list of lengths": post("Host: a\r\nContent-Length: 3, 4\r\n", "a=1&"),
    "a signed length": post("Host: a\r\nContent-Length: +3\r\n", "a=1"),
    "a length that is no number": post("Host: a\r\nContent-Length: 0x3\r\n", "a=1"),
    "two codings": post("Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", CHUNKED),
    "another coding": post("Host: a\r\nTransfer-Encoding: gzip, chunked\r\n", CHUNKED),
    "a coding that is not the last": post("Host: a\r\nTransfer-Encoding: chunked, identity\r\n", CHUNKED),
    "a coding with a tab": post("Host: a\r\nTransfer-Encoding: \x0bchunked\r\n", CHUNKED),
    "blank before the colon": post("Host: a\r\nContent-Length : 3\r\n", "a=1"),
    "a bare CR in a value": post("Host: a\r\nX: b\rContent-Length: 3\r\n", "a=1"),
    "a NUL in a value": post("Host: a\r\nX: b\x00\r\nContent-Length: 3\r\n", "a=1"),
    "no Host": post("Content-Length: 3\r\n", "a=1"),
    "two Hosts": post("Host: a\r\nHost: a\r\nContent-Length: 3\r\n", "a=1"),
    "a Host with a path": post("Host: a/b\r\nContent-Length: 3\r\n", "a=1"),
    "a Host with a user": post("Host: u@a\r\nContent-Length: 3\r\n", "a=1"),
    "a Host list": post("Host: a b\r\nContent-Length: 3\r\n", "a=1"),
    "a Host with a wrong port": post("Host: a:b\r\nContent-Length: 3\r\n", "a=1"),
    "a fold before any header": "POST /token HTTP/1.1\r\n Host: a\r\n\r\n",
    "a chunk of a wrong length": post("Host: a\r\nTransfer-Encoding: chunked\r\n", "-3\r\na=1\r\n0\r\n\r\n"),
    "no version": "GET /healthz\r\n\r\n",
    "another version": "GET /healthz HTTP/9.9\r\nHost: a\r\n\r\n",
    "a blank in the target": "GET /healthz x HTTP/1.1\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_what_can_be_read_in_two_ways_is_refused_and_nothing_after_it_is_served(port, name):
    answers, closed = said(port, AMBIGUOUS[name] + SECOND)
    assert closed
    assert answers in ([400], [501], []), answers


def test_octets_that_end_in_no_http_are_the_peers_fault_and_no_line_of_the_log(tmp_path):
    init(tmp_path / "state")
    no_chunk = "no chunk\r\n\r\n"
    with serving(tmp_path / "state") as process:
        port = process.ready["http"]
        for octets in (
            post("Host: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n", no_chunk),
            post("Host: a\r\nTransfer-Encoding: chunked\r\n", no_chunk),
            post("Host: a\r\nTransfer-Encoding: chunked\r\n", no_chunk, path="/healthz"),
            post("Host: a\r\nTransfer-Encoding: chunked\r\n", f"5000\r\n{'a' * 0x5000}\r\n{no_chunk}"),
            "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nno http\r\n\r\n",
        ):
            answers, closed = said(port, octets)
            assert closed
            assert answers in ([400], [413], [200], [200, 400], [401, 400]), (octets[:90], answers)
            with socket.create_connection(("127.0.0.1", port), timeout=1) as peer:  # the answer goes out before the end
                head, _, rest = octets.partition("\r\n\r\n")
                peer.sendall(head.encode() + b"\r\n\r\n")
                with contextlib.suppress(TimeoutError):
                    peer.settimeout(0.1)
                    peer.recv(1)
                with contextlib.suppress(ConnectionError):
                    peer.sendall(rest.encode())
                    peer.settimeout(1)
                    while peer.recv(4096):
                        pass
        process.send_signal(signal.SIGTERM)
        code, _, logged = ended(process)
    assert code == 0
    assert [line for line in logged.splitlines() if "event=listening" not in line and "event=stopped" not in line] == []


PLAIN = {
    "origin-form": "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    "absolute-form": "GET http://other.example:1/healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    "absolute-form with a query": "GET HTTP://a/healthz?x=1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "an IPv6 Host": "GET /healthz HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n",
    "an empty Host": "GET /healthz HTTP/1.1\r\nHost:\r\n\r\n",
    "one length twice": "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "1.0 without a Host": "GET /healthz HTTP/1.0\r\n\r\n",
}


@pytest.mark.parametrize("name", PLAIN)
def test_what_can_be_read_in_one_way_is_served(port, name):
    answers, _ = said(port, PLAIN[name].replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"))
    assert answers == [200]


def test_one_connection_serves_one_request_after_another(port):
    chunked = post("Host: a\r\nTransfer-Encoding: chunked\r\n", CHUNKED)
    answers, _ = said(port, chunked + post("Host: a\r\nContent-Length: 3\r\n", "a=1") + SECOND)
    assert answers == [401, 401, 200]


def test_a_folded_value_is_one_line(port):
    """RFC 9112 section 5.2: each fold is a blank."""
    folded = post("Host: a\r\nX: b\r\n Content-Length: 9\r\nContent-Length: 3\r\n", "a=1")
    assert said(port, folded + SECOND)[0] in ([401, 200], [400])


@pytest.mark.parametrize("target", ["*", "a:443", "http://", "http:/healthz", "http://u@a/healthz", "ftp://a/healthz"])
def test_any_other_target_is_nothing_here(port, target):
    for method in ("GET", "CONNECT", "OPTIONS"):
        answers, _ = said(port, f"{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert answers in ([400], [404], [405]), (method, answers)
