"""Commands of the Agent Streaming Protocol as they come, and the answer to one that was not done."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from opengpts.bodies import complaints
from opengpts.errors import OpenGPTsError
from runs.streaming.subscriptions import error_frame

# An integer that JavaScript has, too; and more characters than the names of commands have.
MAX_COMMAND_ID, MAX_METHOD = 2**53 - 1, 255


class CommandFailed(Exception):
    """A command was not done. `code` is one of the protocol's, `error` what it came from."""

    def __init__(self, code: str, message: str, error: OpenGPTsError | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.error = code, message, error


@dataclass(frozen=True, slots=True)
class Command:
    """A command as it came: `ErrorResponse`s name its id."""

    id: int
    method: str
    params: dict[str, Any]


def read_command(value: Any) -> Command:
    """The command in a decoded message. Raises `CommandFailed`."""
    if not isinstance(value, dict):
        raise CommandFailed("invalid_argument", "A command should be an object.")
    command_id, method, params = value.get("id"), value.get("method"), value.get("params")
    if isinstance(command_id, float) and command_id.is_integer():
        # To JavaScript, and to JSON, 1.0 is the integer 1.
        command_id = int(command_id)
    if not isinstance(command_id, int) or isinstance(command_id, bool) or not isinstance(method, str):
        raise CommandFailed("invalid_argument", "A command should have an integer id and a string method.")
    if abs(command_id) > MAX_COMMAND_ID or len(method) > MAX_METHOD:
        raise CommandFailed("invalid_argument", "The id or the method of a command is too long.")
    if params is not None and not isinstance(params, dict):
        raise CommandFailed("invalid_argument", "params should be an object.")
    return Command(command_id, method, params or {})


def read_params(model: type[BaseModel], params: dict[str, Any]) -> Any:
    """The parameters of a command as a `model`. Raises `CommandFailed`."""
    try:
        return model.model_validate(params)
    except ValidationError as exc:
        wrong = complaints(exc, "params")[0]
        where = ".".join(str(part) for part in wrong["loc"])
        raise CommandFailed("invalid_argument", f"{where}: {wrong['msg']}") from exc


def failure(command_id: int | None, failed: CommandFailed) -> dict[str, Any]:
    """The protocol's `ErrorResponse`."""
    return error_frame(command_id, failed.code, failed.message)
