"""``/agents/{agent_id}/suggestions``: what to change about an agent, and what was decided about it."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Path, Query
from starlette.responses import Response

from stepwell_api import rollups
from stepwell_api.context import Context, Editor, Serving, Workspace
from stepwell_api.edges import read_item_edges
from stepwell_api.encoding import json_response
from stepwell_api.insight import decisions
from stepwell_api.insight.finding import State
from stepwell_api.models.suggestions import DecisionBody, Suggestion, SuggestionList
from stepwell_api.parameters import AnalyticsParameters, SuggestionsParameters, Text
from stepwell_api.problems import not_found, shown
from stepwell_api.question import Question
from stepwell_api.routes.asking import NOT_FOUND, AgentId, make_router, refuse_unknown
from stepwell_api.routes.insight import question_about, read_kept, suggestions_of
from stepwell_storage import audit
from stepwell_storage.audit import Action

router = make_router("insight")

SuggestionId = Annotated[Text, Path(description="A suggestion's id")]


@router.get(
    "/agents/{agent_id:any_text}/suggestions",
    response_model=SuggestionList,
    responses=NOT_FOUND,
    operation_id="list_suggestions",
)
async def list_suggestions(
    agent_id: AgentId,
    parameters: Annotated[SuggestionsParameters, Query()],
    workspace_id: Workspace,
    serving: Serving,
) -> Response:
    """What to change about the agent, as far as the runs of the window support it, the most severe first.

    Nothing is said of fewer than 50 runs. Every claim is significant at 1 %, corrected for all hypotheses that were
    tested for the agent, and large enough to act on; of several that have one cause, the most specific is told. Both
    numbers are settings of the server.
    """
    question = question_about(workspace_id, agent_id, parameters)
    items = await _read(serving, question, parameters, parameters.state or decisions.SHOWN)
    window = {"from": question.window.start, "to": question.window.stop}
    return json_response({"items": items, "next_cursor": None, **window})


@router.patch(
    "/agents/{agent_id:any_text}/suggestions/{suggestion_id}",
    response_model=Suggestion,
    responses=NOT_FOUND,
    operation_id="decide_on_suggestion",
)
async def decide_on_suggestion(
    agent_id: AgentId,
    suggestion_id: SuggestionId,
    body: DecisionBody,
    parameters: Annotated[AnalyticsParameters, Query()],
    caller: Editor,
    serving: Serving,
) -> Response:
    """Sets where a suggestion stands; once it is `done`, the agent's figures since are told beside those before."""
    question = question_about(caller.workspace_id, agent_id, parameters)
    found = await _one(serving, question, parameters, suggestion_id)
    async with serving.connection("stepwell api suggestions") as connection:
        await decisions.decide(connection, question, _as_found(found), body.state, body.note)
        detail = {"agent_id": agent_id, "state": body.state, "kind": found["kind"]}
        await audit.note(
            connection, caller.workspace_id, caller.actor, Action.SUGGESTION_DECIDED, suggestion_id, detail
        )
    return json_response(await _one(serving, question, parameters, suggestion_id))


async def _one(
    serving: Context, question: Question, parameters: AnalyticsParameters, suggestion_id: str
) -> dict[str, Any]:
    """The suggestion of this id, whatever its state.

    Raises:
        ProblemError: there is none, neither in the window nor decided about.
    """
    for suggestion in await _read(serving, question, parameters, tuple(State), with_over=True):
        if suggestion["id"] == suggestion_id:
            return suggestion
    raise not_found(f"There is no suggestion of the id {shown(suggestion_id)} in this window.")


def _as_found(suggestion: dict[str, Any]) -> dict[str, Any]:
    """Without what was decided about it."""
    standing = ("state", "note", "changed_at", "is_current", "effect")
    return {name: value for name, value in suggestion.items() if name not in standing}


async def _read(
    serving: Context,
    question: Question,
    parameters: AnalyticsParameters,
    states: Sequence[State],
    *,
    with_over: bool = False,
) -> list[dict[str, Any]]:
    async with serving.engine.connect() as connection:
        edges = await read_item_edges(connection, question)
        hours = await rollups.by_hour(connection, question, edges)
        if not hours:
            await refuse_unknown(connection, question)
        kept = await read_kept(serving, connection, parameters, question, hours)
        found = await suggestions_of(serving, kept)
        return await decisions.decided(connection, question, found, states, with_over=with_over)
