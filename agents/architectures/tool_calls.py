"""What stands between a model's tool calls and the tools: confirmation, a time limit, errors that come back as text.

An error of a tool never ends a run: the model is told what it can use, the log has the rest.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import takewhile
from typing import Any

from django.conf import settings
from langchain.agents.middleware import (
    AgentMiddleware,
    AgentState,
    HumanInTheLoopMiddleware,
    InterruptOnConfig,
    ModelRequest,
    ModelResponse,
    ToolCallRequest,
    ToolErrorMiddleware,
)
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, ToolCall, ToolMessage
from langchain_core.tools import ToolException
from langgraph.runtime import Runtime
from langgraph.types import Command

from agents.conversation import new_id
from agents.errors import ToolTimedOut
from opengpts.errors import OpenGPTsError

logger = logging.getLogger(__name__)

NO_JSON = "The arguments of this call are not valid JSON, so it was not run. Call again with a JSON object."

Result = ToolMessage | Command[Any]
Handler = Callable[[ToolCallRequest], Awaitable[Result]]


def guards(*, confirm: bool) -> list[AgentMiddleware[Any, Any]]:
    """What stands between model and tools, outermost first. With `confirm`, a person is asked before a tool is run."""
    confirmation: list[AgentMiddleware[Any, Any]] = [ToolConfirmation()] if confirm else []
    return [ToolErrorMiddleware(aon_error=_for_the_model), *confirmation, ToolTimeLimit(), GarbledCalls()]


async def _for_the_model(exc: Exception, request: ToolCallRequest) -> str:
    """What the model reads in place of the result. Only errors written to be read are quoted."""
    name = request.tool_call["name"]
    run_id = (request.runtime.config.get("metadata") or {}).get("run_id", "?")
    if isinstance(exc, OpenGPTsError):
        logger.warning("tool %s failed in run %s: %s", name, run_id, exc.message)
        return exc.message
    if isinstance(exc, ToolException):
        # How a tool's author tells the model something.
        logger.warning("tool %s failed in run %s: %s", name, run_id, exc)
        return str(exc) or f"{name} failed."
    logger.error("tool %s failed in run %s", name, run_id, exc_info=exc)
    return f"{name} failed ({type(exc).__name__}). Try it with other arguments, or answer without it."


class ToolTimeLimit(AgentMiddleware[Any, Any]):
    """Gives up on a call after TOOL_TIMEOUT seconds. A tool that blocks a thread goes on in it, unheard."""

    async def awrap_tool_call(self, request: ToolCallRequest, handler: Handler) -> Result:
        seconds: float = settings.TOOL_TIMEOUT
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await handler(request)
        except TimeoutError as exc:
            if not limit.expired():
                raise  # the tool's own
            raise ToolTimedOut(f"{request.tool_call['name']} did not answer within {seconds:g} seconds.") from exc


class GarbledCalls(AgentMiddleware[Any, Any]):
    """Answers the calls whose arguments are no JSON with that error, so that the model may call again.

    LangChain keeps them apart from the other calls, where nobody would run or answer them.
    """

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        response = await handler(request)
        messages = [message for said in response.result for message in _answered(said)]
        return replace(response, result=messages)


def _answered(message: BaseMessage) -> list[BaseMessage]:
    if not isinstance(message, AIMessage) or not message.invalid_tool_calls:
        return [message]
    calls = [
        ToolCall(name=call["name"] or "unknown", args={}, id=call["id"] or new_id())
        for call in message.invalid_tool_calls
    ]
    called = message.model_copy(update={"tool_calls": [*message.tool_calls, *calls], "invalid_tool_calls": []})
    answers = (
        ToolMessage(NO_JSON, tool_call_id=call["id"], name=call["name"], status="error", id=new_id()) for call in calls
    )
    return [called, *answers]


class ToolConfirmation(HumanInTheLoopMiddleware[Any, Any, Any]):
    """Stops before the tools until a person has decided on each call that has no result yet.

    Its node is `agents.confirmation.CONFIRMATION_NODE`. The interrupt's value is langchain's `HITLRequest`; it is
    resumed with a `HITLResponse` whose decisions are in the order of the open calls.
    """

    def __init__(self) -> None:
        super().__init__({})
        self.interrupt_on = _EveryTool(
            InterruptOnConfig(allowed_decisions=["approve", "edit", "reject"], when=_is_open)
        )

    async def aafter_model(self, state: AgentState[Any], runtime: Runtime[Any]) -> dict[str, Any] | None:
        update = self.after_model(state, runtime)
        if update and "messages" in update:
            # It hands back the model's message too, which says what it said before.
            known = {message.id for message in state["messages"] if isinstance(message, AIMessage)}
            update["messages"] = [message for message in update["messages"] if message.id not in known]
        return update


class _EveryTool(dict[str, InterruptOnConfig]):
    """The same config whatever a tool is called: a tool that does not exist is asked about like any other.

    So the calls asked about are the open ones, which a state shows without knowing the tools.
    """

    def __init__(self, config: InterruptOnConfig) -> None:
        super().__init__()
        self._config = config

    def get(self, key: str, default: Any = None) -> Any:
        return self._config

    def __missing__(self, key: str) -> InterruptOnConfig:
        return self._config


def _is_open(request: ToolCallRequest) -> bool:
    """Whether a call has no result yet. It has one already where that was posted to the thread's state."""
    messages: list[AnyMessage] = request.state["messages"]
    # Of the last step alone: some servers number the calls of each answer from 0.
    since = takewhile(lambda message: not isinstance(message, AIMessage), reversed(messages))
    return request.tool_call["id"] not in {m.tool_call_id for m in since if isinstance(m, ToolMessage)}
