"""Every place where our answers differ from what the original server answered, and why.

`DIFFERENCES` is the table. A case that stands in no row must come out exactly as in `tests/golden/`; one that stands
in some must come out as the golden answer with all their changes, and with none of them left out.

Three things differ everywhere, and the replay itself allows for them: ids and times are other ones; `user_id` is
the value of the cookie, as API.md shows it, where the original made up an id; and each `data` of a stream holds
`{"messages": […]}`, what its own run has said so far, as API.md's loop reads it, where the original sent the bare
messages of the whole thread and then each one alone. The order of its events and what they come to must be the same.

What the original answers with `AUTH_TYPE=jwt_local` is compared by `tests.integration.test_identity_jwt_local`, and its
streams of an agent that asks before it acts (`sse/interrupt_*`) by `tests.integration.runs.test_golden_interrupts`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.integration.golden_changes import (
    ai,
    also,
    as_in,
    becomes,
    echoing,
    editing,
    fails_with,
    found_some,
    human,
    invalid,
    metadata_of_today,
    model_is_next,
    newest_first,
    nothing_is_next,
    rag_history,
    rag_turn,
    refused,
    saying,
    search,
    streams,
    telling_where,
    unknown,
    without_data,
    without_links,
)
from tests.integration.golden_replay import ANY, Change

FROM_API_MD = "API.md says so"
MADE_RIGHT = "it was a 500; the request is wrong, and is told so"
MADE_WORK = "it was a 500; API.md says that it works"
HOLE = "it let one user at what is another's"
NEWEST_FIRST = "lists are newest first, so that the first page is the one that is wanted"
NO_LINKS = "clients are promised type, loc, msg and input; a link to the library's site leaks its version"
RUN_ID = "GET /runs/{id} tells how the run went, so a client must know the id"
NEWER_LANGCHAIN = "newer LangChain names the provider; every run streams, and asks what it used"
AFTERWARDS = "what the original refused has left its messages"
NO_ECHO = "the first data comes with the first text: there was none"
SAYS_WHY = "an error says what was wrong, under a code that stays"
TELLS_WHERE = "a document found says which it is, for clients that show more than its name"


@dataclass(frozen=True)
class Difference:
    """In these cases of the file `<file>.jsonl` the answer is changed like this."""

    file: str
    cases: Iterable[str]
    change: Change
    why: str


NAME_TOO_LONG = "String should have at most 255 characters"
RUN_ACCEPTED = becomes(200, {"status": "ok", "run_id": ANY})
MESSAGE_TYPES = "Input should be one of 'human', 'ai', 'system', 'tool', 'user', 'assistant'"

READ = becomes(200, [[ANY]])
FORMATS = (
    "Taken are PDF, Word (docx, doc), Excel (xlsx), PowerPoint (pptx), OpenDocument text (odt), RTF, EPUB, HTML, "
    "Markdown, CSV, JSON and plain text."
)

_A, _T, _R, _S, _I = "assistants", "threads", "runs_agent_chatbot", "runs_retrieval", "ingest"


def _each(*endings: str) -> list[str]:
    """The cases that were asked of a default assistant, an agent and a chatbot alike."""
    return [f"{kind}_{ending}" for kind in ("default", "agent", "chatbot") for ending in endings]


def _agents(*endings: str) -> list[str]:
    return [name for name in _each(*endings) if not name.startswith("chatbot")]


# fmt: off
DIFFERENCES = [
    # Assistants
    Difference(_A, [
        "create_missing_name", "create_missing_config", "create_empty_obj", "create_config_string",
        "create_config_list", "create_config_null", "create_name_int", "create_name_null", "create_public_2",
        "create_public_null", "create_body_list", "create_body_string", "create_no_body", "create_body_null",
        "create_text_plain", "create_form", "put_missing_fields",
    ], editing(without_links), NO_LINKS),
    Difference(_A, ["create_name_256"], invalid("string_too_long", ["name"], NAME_TOO_LONG, "n" * 256), MADE_RIGHT),
    Difference(_A, ["create_name_nul"], invalid("string_nul", ["name"], "String should not contain NUL", "a\0b"),
               MADE_RIGHT),
    Difference(_A, ["create_nan"], becomes(422, {"detail": [{
        "type": "json_invalid", "loc": ["body", 0], "msg": "JSON decode error", "input": {},
        "ctx": {"error": "NaN is not JSON"},
    }]}), "NaN is not JSON, and was answered as null"),
    Difference(_A, ["get_bad_uuid", "put_bad_uuid", "delete_bad_uuid"], unknown("Assistant"), MADE_RIGHT),
    Difference(_A, ["list", "list_public", "list_public_no_cookie"], newest_first, NEWEST_FIRST),
    Difference(_A, ["put_new_uuid_uppercase"],
               editing(lambda body: body.update(assistant_id=body["assistant_id"].lower())),
               "an id has one spelling, as every later answer of the original shows"),
    Difference(_A, ["put_other_users_private", "other_get_after_put"], unknown("Assistant"), HOLE),
    Difference(_A, ["owner_get_after_put_by_other"], as_in("put_new_uuid"), HOLE),
    # Threads
    Difference(_T, ["create_missing", "create_missing_assistant", "create_assistant_null", "create_name_int",
                    "put_missing"], editing(without_links), NO_LINKS),
    Difference(_T, ["create_name_256"], invalid("string_too_long", ["name"], NAME_TOO_LONG, "x" * 256), MADE_RIGHT),
    Difference(_T, ["create_unknown_assistant", "create_bad_uuid_assistant", "put_unknown_assistant"],
               unknown("Assistant"), MADE_RIGHT),
    Difference(_T, ["get_bad_uuid", "put_bad_uuid", "delete_bad_uuid", "state_bad_uuid"], unknown("Thread"),
               MADE_RIGHT),
    Difference(_T, ["create_other_private_assistant"], unknown("Assistant"), HOLE),
    Difference(_T, ["put_other_users"], unknown("Thread"), HOLE),
    Difference(_T, ["owner_get_after_steal"], as_in("put_new"), HOLE),
    Difference(_T, ["list", "list_after_assistant_deleted"], newest_first, NEWEST_FIRST),
    Difference(_T, ["list_after_assistant_deleted"], also(1, "put_new"), HOLE),
    Difference(_T, ["run_assistant_deleted", "stream_assistant_deleted"],
               becomes(400, {"detail": "Thread has no assistant"}), MADE_RIGHT),
    Difference(_T, ["z_state_seen_by_bob"], becomes(200, {"values": [], "next": []}), HOLE),
    Difference(_T, ["state_noconfigurable"], becomes(200, {"values": [], "next": []}),
               "it was a 500; a config that says nothing is a default assistant's"),
    Difference(_T, ["run_noconfigurable"], RUN_ACCEPTED,
               "it was a 500; a config that says nothing is a default assistant's"),
    # Identity
    Difference("auth", ["long_cookie_256"],
               becomes(401, {"detail": "The cookie opengpts_user_id is longer than 255 characters."}), MADE_RIGHT),
    # Runs of agents and chatbots
    Difference(_R, _each("run", "run_llm_error"), editing(lambda body: body.update(run_id=ANY)), RUN_ID),
    Difference(_R, _each("state_after_dict"), echoing(6),
               "the stand-in for OpenAI is another: it reads TOKENS only where a message begins with it"),
    Difference(_R, _each("state_after_run", "state_after_stream", "history_after_stream", "state_after_dict",
                         "stream_empty_list", "state_after_empty_list", "state_after_null", "fresh_stream_empty_list",
                         "stream_after_error_null_resume"), editing(metadata_of_today), NEWER_LANGCHAIN),
    Difference(_R, _each("stream_dict_messages"), streams(human("TOKENS:2 dict"), ai("tok0 tok1 ")), MADE_WORK),
    Difference(_R, _each("run_dict_messages", "run_apimd_messages_empty"), RUN_ACCEPTED, MADE_WORK),
    Difference(_R, _each("state_after_dict"),
               saying(human("TOKENS:2 dict"), ai("tok0 tok1 "), human("dict run"), ai("Echo: dict run")), AFTERWARDS),
    Difference(_R, _each("stream_messages_empty"), streams(ai("tok0 tok1 ")), MADE_WORK),
    Difference(_R, _each("state_after_messages_empty"), saying(ai("tok0 tok1 ")), AFTERWARDS),
    Difference(_R, _each("state_after_messages_empty"), editing(nothing_is_next), FROM_API_MD),
    Difference(_R, _each("state_after_empty_list"), saying(before=[ai("tok0 tok1 ")]), AFTERWARDS),
    Difference(_R, _each("state_after_null"), saying(ai("tok0 tok1 "), before=[ai("tok0 tok1 ")]), AFTERWARDS),
    Difference(_R, _each("stream_input_omitted"), streams(), "it was a 500; no input is null, as elsewhere"),
    Difference(_R, _each("stream_input_null"), editing(without_data), NO_ECHO),
    Difference(_R, _each("stream_llm_error_400"), editing(without_data), NO_ECHO),
    Difference(_R, _each("fresh_stream_null"), fails_with(
        400, "bad_request", "There is nothing to go on from: the thread is empty. Send a message."), SAYS_WHY),
    Difference(_R, _each("stream_llm_error_400"), fails_with(
        502, "model_failed", "The model's provider answered 400: it refused the request."), SAYS_WHY),
    Difference(_R, _agents("state_after_llm_error", "history_after_llm_error", "state_after_run_llm_error"),
               editing(model_is_next), "LangChain's agent of today calls its node model"),
    # Runs of RAGBots
    Difference(_S, ["state_after_first", "state_after_second", "state_after_run", "state_after_run_empty",
                    "rag_state_after_posts", "rag_run_ok"], telling_where, TELLS_WHERE),
    Difference(_S, ["rag_run_ok"], editing(metadata_of_today), NEWER_LANGCHAIN),
    Difference(_S, ["state_empty"], editing(lambda body: body.update(values={"messages": []})), FROM_API_MD),
    Difference(_S, ["history_after_first"], becomes(200, rag_history(
        rag_turn("TOKENS:4 what is the capital?", "tok0 tok1 tok2 tok3 "))), "it was a 500, for the tool's message"),
    Difference(_S, ["stream_list_input"], streams(*rag_turn("TOKENS:4 list input", "tok0 tok1 tok2 tok3 ")),
               "every form of input is taken by every type of assistant"),
    Difference(_S, ["run_list_input"], RUN_ACCEPTED, "every form of input is taken by every type of assistant"),
    Difference(_S, ["state_after_list_input"], becomes(200, {"values": {"messages": [
        *rag_turn("TOKENS:4 list input", "tok0 tok1 tok2 tok3 "),
        *rag_turn("TOKENS:4 list input", "tok0 tok1 tok2 tok3 ", ANY),
    ]}, "next": []}), AFTERWARDS),
    Difference(_S, ["run_dict", "run_messages_empty"], editing(lambda body: body.update(run_id=ANY)), RUN_ID),
    Difference(_S, ["state_after_post"], editing(lambda body: body["values"].pop("msg_count")), FROM_API_MD),
    Difference(_S, ["state_after_post"], editing(nothing_is_next), FROM_API_MD),
    Difference(_S, ["stream_bogus_dict"], invalid("missing", ["input", "messages"], "Field required", {"foo": 1}),
               MADE_RIGHT),
    Difference(_S, ["stream_messages_bad_type"],
               invalid("message_type", ["input", "messages", 0, "type"], MESSAGE_TYPES, "zzz"), MADE_RIGHT),
    Difference(_S, ["state_after_llm_error"], becomes(200, {"values": {"messages": [
        human("FAIL:400"), search("FAIL:400"), found_some()]}, "next": ["response"]}),
        "it was a 500: a failed turn made the thread useless"),
    Difference(_S, ["stream_after_llm_error"], streams(*rag_turn("TOKENS:1 again", "tok0 ", ANY)),
               "it was a 500: a failed turn made the thread useless"),
    # Files
    Difference(_I, ["config_missing", "files_missing", "json_body", "txt_wrong_key"], editing(without_links), NO_LINKS),
    Difference(_I, ["both_ids", "no_ids"], invalid(
        "value_error", ["config"], "configurable should have exactly one of assistant_id and thread_id", ANY),
        MADE_RIGHT),
    Difference(_I, ["no_configurable"], invalid("missing", ["config", "configurable"], "Field required", {}),
               MADE_RIGHT),
    Difference(_I, ["config_not_json"],
               invalid("json_invalid", ["config"], "Invalid JSON: Expecting value", "nope"),
               MADE_RIGHT),
    Difference(_I, ["bad_uuid"], refused(404, "Assistant not found."), MADE_RIGHT),
    Difference(_I, ["other_users_public_assistant"], refused(404, "Assistant not found."), HOLE),
    Difference(_I, [f"fixture_sample.{ending}" for ending in ("docx", "rtf", "odt", "epub")], becomes(200, ANY),
               "it was a 500; more formats are read"),
    Difference(_I, ["csv", "md", "noext_multiline", "latin1_txt"], READ,
               "it was a 500; more formats are read, and any encoding"),
    Difference(_I, ["good_plus_bad_type"], becomes(200, [[ANY], [ANY]]), "it was a 500; more formats are read"),
    Difference(_I, ["png"], refused(415, f"a.png: The file is a PNG picture. {FORMATS}"), MADE_RIGHT),
    Difference(_I, ["bad_pdf"], refused(
        422, "bad.pdf: The file is not a PDF that can be read: it is damaged or cut short."), MADE_RIGHT),
    Difference(_I, ["empty_txt"], refused(422, "e.txt: No text was found in this file."),
               "who uploads a file that nothing can be found in should hear of it"),
]
# fmt: on


def changes_for(file: str, case: str) -> list[Difference]:
    """The rows that this case stands in."""
    return [row for row in DIFFERENCES if row.file == file and case in row.cases]
