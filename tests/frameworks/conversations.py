"""What the scripted model says, turn by turn: the truth that the tests expect Stepwell to tell.

The prompt picks the conversation.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model asks for."""

    name: str
    arguments: Mapping[str, str | float]
    fails: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer of the model: text, or tool calls to be made at once."""

    prompt_tokens: int
    completion_tokens: int
    calls: tuple[ToolCall, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The model's server refuses the request, for good."""

    http_status: int
    message: str


@dataclass(frozen=True, slots=True)
class Silence:
    """The model's server never answers."""


Answer = Turn | Refusal | Silence
_LOOKUP = Turn(120, 18, (ToolCall("lookup_order", {"order_id": "ORD-1001"}),))

CONVERSATIONS: Mapping[str, tuple[Answer, ...]] = {
    "Refund order ORD-1001.": (
        Turn(
            120,
            38,
            (
                ToolCall("lookup_order", {"order_id": "ORD-1001"}),
                ToolCall("refund_policy", {"country": "DE"}),
            ),
        ),
        Turn(210, 31, text="Order ORD-1001 is refunded: 39.90."),
    ),
    "Refund order ORD-9999, or was it ORD-2002?": (
        Turn(130, 20, (ToolCall("lookup_order", {"order_id": "ORD-9999"}, fails=True),)),
        Turn(175, 19, (ToolCall("lookup_order", {"order_id": "ORD-2002"}),)),
        Turn(220, 27, text="It was ORD-2002, which is refunded."),
    ),
    "Refund order ORD-3003.": (_LOOKUP, Refusal(400, "The prompt is not acceptable.")),
    "Refund order ORD-4004 at once.": (_LOOKUP, Silence()),
}
SUCCESS, RECOVERS, MODEL_FAILS, CUT_OFF = CONVERSATIONS


class Conversation:
    """Where one agent's talk with the model stands.

    The prompt in a request begins a conversation; a request without one goes on with it: some APIs keep what was said.
    """

    def __init__(self) -> None:
        self._prompt = ""
        self._turn = 0

    def answer(self, request_text: str) -> Answer:
        """The answer that is due; a refusal is repeated to whoever asks again.

        Raises:
            LookupError: the request is of no conversation, or after its end.
        """
        prompts = [prompt for prompt in CONVERSATIONS if prompt in request_text]
        if prompts and prompts[-1] != self._prompt:
            self._prompt, self._turn = prompts[-1], 0
        turns = CONVERSATIONS.get(self._prompt, ())
        if self._turn >= len(turns):
            raise LookupError(f"no answer to turn {self._turn + 1} of {self._prompt!r} is scripted: {request_text}")
        answer = turns[self._turn]
        if not isinstance(answer, Refusal):
            self._turn += 1
        return answer
