"""A small hostile body must not become a large amount of memory; measured on a receiver in a process of its own."""

import gzip
import sys
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import zstandard
from tests.lifecycle.running import FREE_PORTS, running
from tests.receiver.otlp import Client, field, make_span, trace_request

from stepwell_storage.settings import Settings

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

MIB = 1024 * 1024
LIMIT_BYTES = 64 * MIB
BOMB_MIB = 1024


@dataclass(frozen=True, slots=True)
class Alone:
    """A receiver process."""

    pid: int
    client: Client

    def growth_bytes(self, work: Callable[[], None]) -> int:
        """How far its resident memory rises above where it stood, at its peak, while `work` runs."""
        process = Path(f"/proc/{self.pid}")
        (process / "clear_refs").write_text("5")  # the peak starts again from here
        before = self._read_bytes("VmRSS")
        work()
        return self._read_bytes("VmHWM") - before

    def _read_bytes(self, field: str) -> int:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        [line] = [line for line in lines if line.startswith(field + ":")]
        return int(line.split()[1]) * 1024


@pytest.fixture
def alone(shared_settings: Settings, tmp_path: Path) -> Iterator[Alone]:
    """A receiver process on the shared database."""
    with running(tmp_path, "receiver", "--database-url", shared_settings.database_url, *FREE_PORTS) as command:
        ready = command.ready()
        client = Client(ready["otlp_http"], ready["otlp_grpc"])
        client.post(trace_request(make_span()))  # whatever is loaded on first use is loaded now
        client.export(trace_request(make_span()))
        yield Alone(command.process.pid, client)
        client.close()
        assert command.stop() == 0


def gzip_bomb() -> bytes:
    """A gibibyte of zeros in one megabyte, as one member."""
    compressor = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
    return b"".join(compressor.compress(bytes(MIB)) for _ in range(BOMB_MIB)) + compressor.flush()


@pytest.mark.parametrize(
    ("encoding", "make"),
    [
        pytest.param("gzip", gzip_bomb, id="gzip"),
        pytest.param("gzip", lambda: gzip.compress(bytes(16 * MIB)) * (BOMB_MIB // 16), id="gzip-members"),
        pytest.param("zstd", lambda: zstandard.compress(bytes(BOMB_MIB * MIB)), id="zstd"),
        pytest.param("zstd", lambda: zstandard.compress(bytes(16 * MIB)) * (BOMB_MIB // 16), id="zstd-frames"),
    ],
)
def test_bomb_keeps_memory_bounded(alone: Alone, encoding: str, make: Callable[[], bytes]) -> None:
    bomb = make()
    assert len(bomb) < 2 * MIB

    def send() -> None:
        assert alone.client.post(bomb, content_encoding=encoding).status_code == 413

    assert alone.growth_bytes(send) < 2 * LIMIT_BYTES


def test_many_bombs_at_once_keep_memory_bounded(alone: Alone) -> None:
    bomb = gzip_bomb()

    def send() -> None:
        with ThreadPoolExecutor(8) as threads:
            answers = threads.map(lambda _: alone.client.post(bomb, content_encoding="gzip").status_code, range(8))
            assert set(answers) == {413}

    assert alone.growth_bytes(send) < 3 * LIMIT_BYTES


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_bomb_over_grpc_keeps_memory_bounded(alone: Alone, compression: grpc.Compression) -> None:
    def send() -> None:
        with pytest.raises(grpc.RpcError) as raised:
            alone.client.export(bytes(2 * LIMIT_BYTES), compression=compression)
        assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED

    assert alone.growth_bytes(send) < 2 * LIMIT_BYTES


def test_many_bombs_over_grpc_keep_memory_bounded(alone: Alone) -> None:
    def explode(_: int) -> grpc.StatusCode:
        with pytest.raises(grpc.RpcError) as raised:
            # Within the limit, so that nothing but our own bound on what is decompressed at once helps.
            alone.client.export(bytes(LIMIT_BYTES), compression=grpc.Compression.Gzip)
        return raised.value.code()

    def send() -> None:
        with ThreadPoolExecutor(8) as threads:
            assert set(threads.map(explode, range(8))) == {grpc.StatusCode.INVALID_ARGUMENT}

    assert alone.growth_bytes(send) < 3 * LIMIT_BYTES


def test_swarm_of_tiny_spans_keeps_memory_bounded(alone: Alone) -> None:
    body = field(1, field(2, b"\x12\x00" * (16 * MIB)))
    assert len(body) < LIMIT_BYTES

    def send() -> None:
        assert alone.client.post(body).status_code == 413

    assert alone.growth_bytes(send) < 2 * LIMIT_BYTES


def test_oversized_upload_is_not_kept(alone: Alone) -> None:
    def send() -> None:
        chunks = (bytes(MIB) for _ in range(256))
        response = alone.client.http.post(
            "/v1/traces", content=chunks, headers={"content-type": "application/x-protobuf"}
        )
        assert response.status_code == 413

    assert alone.growth_bytes(send) < 2 * LIMIT_BYTES
