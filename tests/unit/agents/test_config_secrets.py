"""Secrets are taken out of configs, kept where `***` is sent back, and never for another server."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.config import find_problems, parse_config
from agents.config_secrets.counterparts import NoCounterpart
from agents.config_secrets.masks import masked_url, unmasked_url
from agents.config_secrets.places import find_places
from agents.config_secrets.sealing import NothingToKeep, Sealed, reveal, seal, seal_plain
from agents.outgoing.urls import origin_of
from agents.tools.specs import ToolSpec

pytestmark = pytest.mark.once

OWNER = 7
TOOLS = "type==agent/tools"
MCP_URL = "https://mcp.example/mcp"


def config(*tools: Any, **configurable: Any) -> dict[str, Any]:
    return {"configurable": {TOOLS: list(tools), **configurable}}


def mcp(secret: str = "***", url: str = MCP_URL, **fields: Any) -> dict[str, Any]:
    return {"type": "mcp", "config": {"url": url, "headers": {"Authorization": secret}, **fields}}


def openapi(**fields: Any) -> dict[str, Any]:
    return {"type": "openapi", "config": {"auth": {"type": "bearer", "token": "***"}, **fields}}


def put(stored: Any, sent: Any) -> Any:
    """What a run has after `stored` was created and `sent` was put in its place."""
    return reveal(seal(sent, owner=OWNER, stored=[seal(stored, owner=OWNER)]), owner=OWNER)


def refused(stored: Any, sent: Any) -> list[tuple[str, str]]:
    with pytest.raises(NothingToKeep) as raised:
        put(stored, sent)
    return [(".".join(map(str, problem.loc[1:])), problem.message) for problem in raised.value.problems]


# -- Which values ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "shown"),
    [
        (
            {"type": "mcp", "id": "1", "config": {"url": f"{MCP_URL}?key=abc&x=", "headers": {"A": "s", "B": ""}}},
            {"type": "mcp", "id": "1", "config": {"url": f"{MCP_URL}?key=***&x=", "headers": {"A": "***", "B": ""}}},
        ),
        (
            openapi(spec={"servers": [{"url": "https://a/?b=c"}], "password": "a word", "components": {"token": {}}}),
            openapi(spec={"servers": [{"url": "https://a/?b=c"}], "password": "a word", "components": {"token": {}}}),
        ),
        (
            openapi(spec_url="https://a.example/?k=1", auth={"type": "header", "name": "X-Key", "value": "s"}),
            openapi(spec_url="https://a.example/?k=***", auth={"type": "header", "name": "X-Key", "value": "***"}),
        ),
        (
            openapi(auth={"type": "basic", "username": "me", "password": "s"}),
            openapi(auth={"type": "basic", "username": "me", "password": "***"}),
        ),
        # Ignored by its model, and stored.
        (
            {
                "type": "action_server_by_sema4ai",
                "config": {"url": "https://a", "api_key": "s", "apiToken": "s", "x": 1},
            },
            {
                "type": "action_server_by_sema4ai",
                "config": {"url": "https://a", "api_key": "***", "apiToken": "***", "x": 1},
            },
        ),
        ({"type": "Wikipedia", "config": {"api_key": "s"}}, {"type": "Wikipedia", "config": {"api_key": "***"}}),
        # Of shapes that the models do not take.
        ({"type": "mcp", "config": {"headers": "Bearer s"}}, {"type": "mcp", "config": {"headers": "***"}}),
        ({"type": "mcp", "config": {"headers": {"A": ["s"]}}}, {"type": "mcp", "config": {"headers": {"A": "***"}}}),
        ({"type": "mcp", "config": {"headers": [["A", "s"]]}}, {"type": "mcp", "config": {"headers": "***"}}),
        ({"type": "mcp", "config": "s"}, {"type": "mcp", "config": "***"}),
        (openapi(auth="s"), openapi(auth="***")),
        # Not in the catalogue any more.
        (
            {
                "type": "robot_arm",
                "config": {
                    "endpoint": "https://me:pw@robot.example/x?t=1#f",
                    "headers": {"X": "s"},
                    "auth": {"type": "bearer", "any": "s"},
                    "options": [{"client_secret": {"a": 1}, "max_tokens": 10}],
                },
            },
            {
                "type": "robot_arm",
                "config": {
                    "endpoint": "https://***@robot.example/x?t=***#***",
                    "headers": {"X": "***"},
                    "auth": {"type": "bearer", "any": "***"},
                    "options": [{"client_secret": "***", "max_tokens": 10}],
                },
            },
        ),
    ],
)
def test_the_secrets_of_a_tool(tool: Any, shown: Any) -> None:
    stored = seal_plain(config(tool), owner=OWNER)
    assert stored.config == config(shown)
    assert reveal(stored, owner=OWNER) == config(tool)


@pytest.mark.parametrize(
    "name", ["my_api_key", "MyApiKey", "Authorization", "x-api-key", "client secret", "db_PASSWORD"]
)
def test_secrets_under_keys_of_ones_own(name: str) -> None:
    given_config = {"configurable": {"mine": {"deep": [{name: "s"}]}, name: "s"}, "metadata": {name: ["s"]}, name: 5}
    hidden = {"configurable": {"mine": {"deep": [{name: "***"}]}, name: "***"}, "metadata": {name: "***"}, name: "***"}
    stored = seal(given_config, owner=OWNER)
    assert stored.config == hidden
    assert reveal(stored, owner=OWNER) == given_config


@pytest.mark.parametrize(
    "plain",
    [
        None,
        [],
        {},
        {"configurable": None},
        {"configurable": [1]},
        config("Wikipedia", {"type": "arxiv"}, {"type": "mcp", "config": {"url": MCP_URL}}, None, 3),
        {"configurable": {"max_tokens": 5, "tokens": ["a"], "keyboard": "x", "link": "https://a/?b=c", "password": ""}},
        {"configurable": {"type==agent/system_message": "the token is *** and https://a/?b=c", "thread_id": "1"}},
    ],
)
def test_what_has_no_secrets_stays_the_same_object(plain: Any) -> None:
    stored = seal(plain, owner=OWNER)
    assert stored.config is plain
    assert stored.secrets == []


def test_a_config_of_any_depth() -> None:
    deep: Any = {"token": "s"}
    for _ in range(5000):
        deep = [deep]
    assert len(find_places({"configurable": {"x": deep}})) == 1


def test_what_looks_encrypted_is_text_like_any_other() -> None:
    token = seal(config(mcp("of another")), owner=OWNER).secrets[0]["token"]
    sent = config(mcp(token))
    assert put(config(mcp("mine")), sent) == sent
    assert parse_config(put(config(mcp("mine")), sent)).tools[0].config.count(token) == 1


def test_a_secret_of_another_owner_cannot_be_read() -> None:
    stored = seal(config(mcp("s")), owner=OWNER)
    [tool] = parse_config(reveal(stored, owner=OWNER + 1)).tools
    assert tool == ToolSpec("mcp", problem=tool.problem)
    assert tool.problem == (
        "MCP server cannot be used: this server has no key any more for a secret in its config. Enter the secret anew."
    )


def test_a_config_that_was_changed_by_hand() -> None:
    stored = seal(config(mcp("s"), token="s"), owner=OWNER)
    changes: list[Any] = [{}, {"configurable": {TOOLS: []}}, {"configurable": {TOOLS: [{"type": "mcp"}], "token": 5}}]
    for changed in changes:
        assert reveal(Sealed(changed, stored.secrets), owner=OWNER) == changed


# -- Addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example/path", "https://a.example/path"),
        ("https://a.example/?", "https://a.example/?"),
        ("https://a.example?a=1&b=&c=2&a=3", "https://a.example?a=***&b=&c=***&a=***"),
        ("https://a.example/p?abcdef", "https://a.example/p?***"),
        ("HTTPS://u:p@a.example:1/p?x=1=2#frag", "HTTPS://***@a.example:1/p?x=***#***"),
        ("https://a@b@c.example/", "https://***@c.example/"),
        ("not an address", "not an address"),
        ("a.example/?key=1", "***"),
    ],
)
def test_a_masked_address(url: str, shown: str) -> None:
    assert masked_url(url) == shown
    if shown != "***":
        assert masked_url(shown) == shown
        assert unmasked_url(shown, url) == url


def test_parts_of_an_address_are_kept() -> None:
    stored = "https://a.example/p?key=abc&mode=1&key=def#f"
    assert unmasked_url("https://a.example/q?mode=2&key=***&key=***", stored) == (
        "https://a.example/q?mode=2&key=abc&key=def"
    )
    assert unmasked_url("https://a.example/p?key=%2A%2A%2A", stored) == "https://a.example/p?key=abc"
    assert unmasked_url("https://a.example/p?other=***", stored) is None
    assert unmasked_url("https://a.example/p?key=***&key=***&key=***", stored) is None


def test_origins() -> None:
    same = ["https://a.example", "HTTPS://A.example:443/x?y", "https://u@a.example/"]
    assert {origin_of(url) for url in same} == {"https://a.example:443"}
    others = ["http://a.example", "https://a.example:8443", "https://b.example", "https://a.example@b.example", "x", ""]
    assert len({origin_of(url) for url in [*same, *others]}) == 6


# -- Keeping ---------------------------------------------------------------------------------------------------------


def test_what_was_shown_is_sent_back() -> None:
    stored = config(mcp("s", url=f"{MCP_URL}?key=abc"), "Wikipedia", my_token={"a": 1})
    assert put(stored, seal(stored, owner=OWNER).config) == stored


def test_nothing_is_stored() -> None:
    with pytest.raises(NothingToKeep) as raised:
        seal(config(mcp(), my_token="***"), owner=OWNER)
    found = {problem.loc: problem.message for problem in raised.value.problems}
    assert found == dict.fromkeys(
        [("configurable", TOOLS, 0, "config", "headers", "Authorization"), ("configurable", "my_token")],
        NoCounterpart.NONE_STORED.value,
    )


def test_another_value_is_taken() -> None:
    assert put(config(mcp("old")), config(mcp("new"))) == config(mcp("new"))


def test_other_fields_may_change() -> None:
    sent = config("arxiv", mcp(timeout=5, url="https://MCP.example:443/v2"), "Wikipedia")
    assert put(config(mcp("s")), sent)["configurable"][TOOLS][1] == mcp(
        "s", timeout=5, url="https://MCP.example:443/v2"
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/mcp",
        "http://mcp.example/mcp",
        "https://mcp.example:444/mcp",
        "https://mcp.example@evil.example/mcp",
        "https://mcp.example.evil.example/mcp",
        "https://evil.example/mcp?x=https://mcp.example/mcp",
    ],
)
def test_never_for_another_server(url: str) -> None:
    place = f"{TOOLS}.0.config.headers.Authorization"
    assert refused(config(mcp("s")), config(mcp(url=url))) == [(place, NoCounterpart.ELSEWHERE.value)]


def test_the_key_in_an_address_is_not_sent_elsewhere() -> None:
    stored = config({"type": "mcp", "config": {"url": f"{MCP_URL}?key=abc"}})
    evil = config({"type": "mcp", "config": {"url": "https://evil.example/?key=***"}})
    assert refused(stored, evil) == [(f"{TOOLS}.0.config.url", NoCounterpart.ELSEWHERE.value)]
    fine = config({"type": "mcp", "config": {"url": "https://mcp.example/v2?mode=1&key=***"}})
    [tool] = put(stored, fine)["configurable"][TOOLS]
    assert tool["config"]["url"] == "https://mcp.example/v2?mode=1&key=abc"


def test_never_for_a_tool_of_another_type() -> None:
    other = {"type": "action_server_by_sema4ai", "config": {"url": MCP_URL, "api_key": "***"}}
    assert refused(config(mcp("s")), config(other))[0][1] == NoCounterpart.NONE_STORED.value


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"servers": [{"url": "https://evil.example"}]}},
        {"server_url": "https://evil.example"},
        {"spec_url": "https://evil.example/api.json", "spec": None},
    ],
)
def test_a_document_may_not_send_it_elsewhere(change: dict[str, Any]) -> None:
    mine = {"spec": {"servers": [{"url": "https://api.example"}]}}
    stored = config(openapi(**mine, auth={"type": "bearer", "token": "s"}))
    assert refused(stored, config(openapi(**{**mine, **change})))[0][1] == NoCounterpart.ELSEWHERE.value
    kept = put(stored, config(openapi(**mine, operations=["a"])))
    assert kept["configurable"][TOOLS][0]["config"]["auth"]["token"] == "s"


def test_a_document_may_change_where_it_does_not_say_where_the_server_is() -> None:
    stored = config(openapi(spec={"paths": {}}, server_url="https://a", auth={"type": "bearer", "token": "s"}))
    sent = config(openapi(spec={"paths": {"/": {}}}, server_url="https://a"))
    assert put(stored, sent)["configurable"][TOOLS][0]["config"]["auth"]["token"] == "s"


def test_another_header_has_nothing_stored() -> None:
    sent = config({"type": "mcp", "config": {"url": MCP_URL, "headers": {"Authorization": "***", "X-Other": "***"}}})
    assert refused(config(mcp("s")), sent) == [(f"{TOOLS}.0.config.headers.X-Other", NoCounterpart.NONE_STORED.value)]


def test_equal_ones_go_by_their_order() -> None:
    stored = config(mcp("a"), mcp("b"))
    assert put(stored, config(mcp(), "Wikipedia", mcp())) == config(mcp("a"), "Wikipedia", mcp("b"))
    # One of them is gone, or there is one more: nothing says which.
    for sent in (config(mcp()), config(mcp(), mcp(), mcp())):
        assert {message for _, message in refused(stored, sent)} == {NoCounterpart.SEVERAL.value}


def test_ids_tell_equal_ones_apart() -> None:
    a, b = ({"id": name, **mcp(name)} for name in "ab")
    shown = [{**tool, **mcp()} for tool in (a, b)]
    assert put(config(a, b), config(shown[1])) == config(b)
    assert put(config(a, b), config({**shown[1], **mcp(timeout=3)})) == config({"id": "b", **mcp("b", timeout=3)})
    # An id is no way to another server.
    assert refused(config(a, b), config({"id": "a", **mcp(url="https://evil.example")}))


def test_a_copy_may_keep_the_same() -> None:
    assert put(config(mcp("a")), config(mcp(), mcp(timeout=2))) == config(mcp("a"), mcp("a", timeout=2))


def test_both_changed_in_place() -> None:
    stored = config(mcp("a"), mcp("b"))
    assert put(stored, config(mcp(timeout=1), mcp(timeout=2))) == config(mcp("a", timeout=1), mcp("b", timeout=2))
    assert refused(stored, config(mcp(timeout=1)))[0][1] == NoCounterpart.SEVERAL.value


def test_of_several_stored_configs_the_first_that_has_it() -> None:
    first, second = (
        seal(config(mcp(name), **{key: name}), owner=OWNER) for name, key in (("a", "a_key"), ("b", "token"))
    )
    other = seal(config({"type": "mcp", "config": {"url": "https://o.example?k=1"}}), owner=OWNER)
    sent = config(mcp(), {"type": "mcp", "config": {"url": "https://o.example?k=***"}}, token="***")
    kept = reveal(seal(sent, owner=OWNER, stored=[first, second, other]), owner=OWNER)
    assert kept == config(mcp("a"), {"type": "mcp", "config": {"url": "https://o.example?k=1"}}, token="b")


def test_what_was_secret_once_is_kept_though_its_model_has_changed() -> None:
    # Sealed when the catalogue said so; today's says that `spec` holds anything.
    stored = Sealed(config(openapi(spec="***")), [])
    plain = seal(config({"type": "robot", "config": {"api_key": "s"}}), owner=OWNER)
    token = plain.secrets[0]["token"]
    stored.secrets.append({"at": ["configurable", TOOLS, 0, "config", "spec"], "token": token})
    stored.secrets.append({"at": ["configurable", TOOLS, 0, "config", "auth", "token"], "token": token})
    again = seal(stored.config, owner=OWNER, stored=[stored])
    assert reveal(again, owner=OWNER) == config(openapi(spec="s", auth={"type": "bearer", "token": "s"}))


def test_what_cannot_be_decrypted_is_kept_until_it_can(settings: Any) -> None:
    stored = seal(config(mcp("s", url=f"{MCP_URL}?key=abc")), owner=OWNER)
    keys, settings.SECRETS_KEYS = settings.SECRETS_KEYS, ["x" * 43 + "="]
    kept = seal(config("Wikipedia", *stored.config["configurable"][TOOLS]), owner=OWNER, stored=[stored])
    [_, tool] = parse_config(reveal(kept, owner=OWNER)).tools
    assert tool.problem
    # To put it together with what is new it would have to be read.
    sent = config(mcp(url=f"{MCP_URL}?key=***&mode=1"))
    with pytest.raises(NothingToKeep, match="nothing is stored"):
        seal(sent, owner=OWNER, stored=[stored])
    settings.SECRETS_KEYS = keys
    assert reveal(kept, owner=OWNER) == config("Wikipedia", mcp("s", url=f"{MCP_URL}?key=abc"))


# -- Any config ------------------------------------------------------------------------------------------------------

SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1).filter(lambda text: text != "***")
WORDS = st.text("abcdef", min_size=1, max_size=6)
HOSTS = st.sampled_from(["https://a.example", "https://b.example:8443", "http://c.example"])


@st.composite
def tools(draw: st.DrawFn) -> Any:
    kind = draw(st.sampled_from(["plain", "mcp", "openapi", "action"]))
    host = draw(HOSTS)
    query = draw(st.dictionaries(WORDS, WORDS, max_size=2))
    url = f"{host}/{draw(WORDS)}" + ("?" + "&".join(f"{k}={v}" for k, v in query.items()) if query else "")
    if kind == "plain":
        return draw(st.sampled_from(["Wikipedia", {"type": "arxiv", "config": {}}]))
    if kind == "mcp":
        headers = draw(st.dictionaries(WORDS, SECRETS, max_size=3))
        return {"type": "mcp", "id": draw(st.uuids().map(str)), "config": {"url": url, "headers": headers}}
    if kind == "openapi":
        auth = {"type": "header", "name": "x", "value": draw(SECRETS)}
        return {"type": "openapi", "id": draw(st.uuids().map(str)), "config": {"spec_url": url, "auth": auth}}
    return {
        "type": "action_server_by_sema4ai",
        "id": draw(st.uuids().map(str)),
        "config": {"url": url, "api_key": draw(SECRETS)},
    }


@given(st.lists(tools(), max_size=6), st.data())
def test_tools_are_moved_removed_and_added(stored: list[Any], data: st.DataObject) -> None:
    """Whatever is done to the list as it was shown, each tool goes on with its own secrets."""
    before = seal(config(*stored), owner=OWNER)
    assert find_problems(before.config) == []
    shown = before.config["configurable"][TOOLS]
    order = data.draw(st.lists(st.sampled_from(range(len(stored))), unique=True)) if stored else []
    pairs = [(stored[index], shown[index]) for index in order]
    for new in data.draw(st.lists(tools(), max_size=2)):
        pairs.insert(data.draw(st.integers(0, len(pairs))), (new, new))
    after = seal(config(*(sent for _, sent in pairs)), owner=OWNER, stored=[before])
    assert reveal(after, owner=OWNER) == config(*(plain for plain, _ in pairs))
    # Nothing has to be decrypted to show it, and nothing is left to hide.
    assert after.config == seal(after.config, owner=OWNER, stored=[after]).config


@given(st.lists(tools(), min_size=1, max_size=4), st.lists(tools(), min_size=1, max_size=4))
def test_a_kept_secret_goes_where_it_went(stored: list[Any], others: list[Any]) -> None:
    """Tools that were not shown, with everything in them masked: what they are given was for their server."""
    before = seal(config(*stored), owner=OWNER)
    sent = seal(config(*others), owner=OWNER).config
    try:
        after = reveal(seal(sent, owner=OWNER, stored=[before]), owner=OWNER)
    except NothingToKeep:
        return
    for tool in after["configurable"][TOOLS]:
        for secret in secrets_of(tool):
            givers = [other for other in stored if secret in secrets_of(other)]
            assert any(other["type"] == tool["type"] and host_of(other) == host_of(tool) for other in givers)


def secrets_of(tool: Any) -> set[str]:
    given_config = tool["config"] if isinstance(tool, dict) else {}
    auth, key = given_config.get("auth", {}).get("value"), given_config.get("api_key")
    return {*given_config.get("headers", {}).values(), *filter(None, (auth, key))}


def host_of(tool: Any) -> str:
    return origin_of(tool["config"].get("url") or tool["config"]["spec_url"])
