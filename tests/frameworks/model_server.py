"""A model vendor on a loopback port: the official SDKs talk to it as they talk to OpenAI, Anthropic or Google."""

import json
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from tests.frameworks import model_protocols
from tests.frameworks.conversations import Answer, Conversation, Refusal, Silence, ToolCall, Turn

_PROTOCOLS = {
    "/chat/completions": model_protocols.chat_completion,
    "/responses": model_protocols.response,
    "/messages": model_protocols.anthropic_message,
    ":generateContent": model_protocols.generated_content,
}


class _Vendor(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    conversations: ClassVar[defaultdict[str, Conversation]]

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        request = json.loads(text)
        answer, identity = _suited(self._due(text), request), uuid.uuid4().hex
        if isinstance(answer, Silence):
            self._hold()
        elif isinstance(answer, Refusal):
            # The fields that the vendors' error bodies have, all in one.
            error = {"message": answer.message, "type": "invalid_request_error", "code": answer.http_status}
            self._send(answer.http_status, "application/json", json.dumps({"type": "error", "error": error}).encode())
        elif request.get("stream"):
            chunks = [*map(json.dumps, model_protocols.chat_chunks(answer, identity)), "[DONE]"]
            self._send(200, "text/event-stream", "".join(f"data: {chunk}\n\n" for chunk in chunks).encode())
        else:
            protocol = next(p for ending, p in _PROTOCOLS.items() if self.path.partition("?")[0].endswith(ending))
            self._send(200, "application/json", json.dumps(protocol(answer, identity)).encode())

    def _due(self, text: str) -> Answer:
        conversation = self.conversations[self.path.split("/")[1]]
        try:
            return conversation.answer(text)
        except LookupError as error:
            return Refusal(501, str(error))

    def _hold(self) -> None:
        """Says nothing until the client gives up."""
        self.connection.recv(1)
        self.close_connection = True

    def _send(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing: the tests' output is for the tests."""


def _suited(answer: Answer, request: dict[str, Any]) -> Answer:
    """Some frameworks want the last answer as a call of a tool of theirs; a model follows what it is offered."""
    offered = {tool.get("function", {}).get("name") for tool in request.get("tools") or () if isinstance(tool, dict)}
    if isinstance(answer, Turn) and answer.text and "final_answer" in offered:
        final = ToolCall("final_answer", {"answer": answer.text})
        return Turn(answer.prompt_tokens, answer.completion_tokens, (final,))
    return answer


@contextmanager
def model_server() -> Iterator[str]:
    """Its address, for as long as the block runs; agents that talk to it at once add a first path segment each."""
    vendor = type("_Vendor", (_Vendor,), {"conversations": defaultdict(Conversation)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), vendor)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
