"""What each architecture sends to its model, streams and stores."""

from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver

from agents.architectures import agent
from agents.catalogue import LOCAL_LABEL, MODELS
from agents.chat_models import build_model
from agents.config import parse_config
from agents.retrieval import RunContext
from tests.integration.agents.conftest import Thread, ThreadMaker
from tests.services import FakeOpenAI

pytestmark = pytest.mark.once

ALL_TYPES = ["agent", "chatbot", "chat_retrieval"]
DOCUMENT = Document("The capital of Freedonia is Fredville.", metadata={"source": "a.txt"})


class Shelf:
    """A retriever of fixed documents, which remembers what it was asked."""

    def __init__(self, *documents: Document) -> None:
        self.documents = list(documents)
        self.queries: list[str] = []

    async def is_empty(self) -> bool:
        return not self.documents

    async def __call__(self, query: str) -> list[Document]:
        self.queries.append(query)
        return self.documents


def sent(openai: FakeOpenAI) -> list[list[tuple[str, str]]]:
    """The conversations that the model was sent."""
    return [
        [(message["role"], message["content"]) for message in request["body"]["messages"]]
        for request in openai.requests()
    ]


def shape(messages: list[BaseMessage]) -> list[tuple[str, Any]]:
    return [(message.type, message.content) for message in messages]


@pytest.mark.parametrize("kind", ["agent", "chatbot"])
async def test_the_model_gets_the_system_message_and_the_thread(
    kind: str, thread: ThreadMaker, openai: FakeOpenAI
) -> None:
    talk = thread(**{"type": kind, f"type=={kind}/system_message": "Be brief."})
    await talk.run("TOKENS:2")
    await talk.run("hello")
    first, second = sent(openai)
    assert first == [("system", "Be brief."), ("user", "TOKENS:2")]
    assert second == [*first, ("assistant", "tok0 tok1 "), ("user", "hello")]
    assert shape(await talk.messages()) == [
        ("human", "TOKENS:2"),
        ("ai", "tok0 tok1 "),
        ("human", "hello"),
        ("ai", "Echo: hello"),
    ]


@pytest.mark.parametrize("kind", ["agent", "chatbot"])
async def test_an_empty_system_message_is_not_sent(kind: str, thread: ThreadMaker, openai: FakeOpenAI) -> None:
    await thread(**{"type": kind, f"type=={kind}/system_message": ""}).run("hi")
    assert sent(openai) == [[("user", "hi")]]


async def test_the_model_that_the_label_names_is_asked(thread: ThreadMaker, openai: FakeOpenAI) -> None:
    await thread(**{"type": "chatbot", "type==chatbot/llm_type": "GPT 4o"}).run("hi")
    await thread(**{"type==agent/agent_type": "GPT 4 Turbo"}).run("hi")
    await thread().run("hi")
    requests = openai.requests()
    assert [request["body"]["model"] for request in requests] == ["gpt-4o", "gpt-4-turbo", "gpt-3.5-turbo"]
    assert {request["authorization"] for request in requests} == {"Bearer a-key"}
    assert all(request["body"]["stream"] for request in requests)


@pytest.mark.parametrize(("kind", "node"), [("agent", "model"), ("chatbot", "chatbot"), ("chat_retrieval", "response")])
async def test_the_answer_streams_and_then_comes_whole(kind: str, node: str, thread: ThreadMaker) -> None:
    talk = thread(type=kind)
    streamed = await talk.run("TOKENS:3 DELAY:50")
    assert streamed.text(node) == ["tok0 ", "tok1 ", "tok2 "]
    assert streamed.order()[-2:] == [("messages", node), ("updates", node)]
    chunks = [m for mode, name, m in streamed.events if (mode, name) == ("messages", node)]
    answer = (await talk.messages())[-1]
    assert all(isinstance(chunk, AIMessageChunk) for chunk in chunks)  # the whole answer does not come once more
    assert {chunk.id for chunk in chunks if chunk} == {answer.id}
    assert streamed.events[-1] == ("updates", node, answer)
    assert isinstance(answer, AIMessage)
    assert answer.usage_metadata is not None
    assert (answer.usage_metadata["input_tokens"], answer.usage_metadata["output_tokens"]) == (10, 3)


@pytest.mark.parametrize("kind", ALL_TYPES)
async def test_every_message_has_an_id_of_its_own(kind: str, thread: ThreadMaker) -> None:
    talk = thread(**{"type": kind, "type==agent/tools": ["Wikipedia"]})
    await talk.run("one")
    await talk.run("two")
    ids = [message.id for message in await talk.messages()]
    assert all(ids)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("kind", ALL_TYPES)
async def test_a_run_without_input_answers_what_is_there(kind: str, thread: ThreadMaker) -> None:
    talk = thread(type=kind)
    await talk.graph.aupdate_state(
        {"configurable": {"thread_id": "thread"}}, {"messages": [("user", "posted")]}, as_node="__start__"
    )
    await talk.run()
    assert (await talk.messages())[-1].content == "Echo: posted"


@pytest.mark.parametrize("kind", ALL_TYPES)
async def test_a_run_on_an_empty_thread_asks_the_model_all_the_same(
    kind: str, thread: ThreadMaker, openai: FakeOpenAI
) -> None:
    talk = thread(type=kind)
    await talk.run()
    assert (await talk.messages())[-1].content == "Echo: "
    assert [[role for role, _ in conversation] for conversation in sent(openai)] == [["system"]]


async def test_a_notice_says_once_why_tools_did_not_act(thread: ThreadMaker, openai: FakeOpenAI) -> None:
    talk = thread(**{"type==agent/tools": ["Wikipedia", {"type": "arxiv", "config": {}}]})
    first = await talk.run("one")
    second = await talk.run("two")
    assert shape(await talk.messages()) == [
        ("human", "one"),
        ("ai", "This version does not run tools yet, so Wikipedia and Arxiv were not used."),
        ("ai", "Echo: one"),
        ("human", "two"),
        ("ai", "Echo: two"),
    ]
    assert (await talk.messages())[1].additional_kwargs == {"notice": "tools_unsupported"}
    assert first.order() == [
        ("messages", "ToolsNotice.before_agent"),
        ("updates", "ToolsNotice.before_agent"),
        ("messages", "model"),
        ("updates", "model"),
    ]
    assert second.events[0] == ("updates", "ToolsNotice.before_agent", None)
    assert [role for role, _ in sent(openai)[1]] == ["system", "user", "assistant", "user"]
    assert "tools" not in openai.requests()[0]["body"]


async def test_the_local_model_is_named_as_the_reason(openai: FakeOpenAI) -> None:
    config = parse_config({"configurable": {"type==agent/tools": ["Wikipedia"]}})
    graph = agent.build(config, build_model(None), MODELS[LOCAL_LABEL])
    answer = await graph.ainvoke({"messages": [("user", "hi")]})
    assert answer["messages"][1].content == "SmolLM2 135M (local) cannot use tools, so Wikipedia was not used."


async def test_retrieval_with_nothing_ingested_still_talks(thread: ThreadMaker, openai: FakeOpenAI) -> None:
    talk = thread(type="chat_retrieval")
    await talk.run("hi! my name is bob")
    await talk.run("what is my name?")
    human, call, found, answer, *later = await talk.messages()
    assert (human.content, call.content, found.content) == ("hi! my name is bob", "", [])
    assert answer.content == "Echo: hi! my name is bob"
    assert [message.type for message in later] == ["human", "ai", "tool", "ai"]
    first, second = sent(openai)  # no hidden request: there is nothing to think of a query for
    assert "No documents were found" in first[0][1]
    assert first[1:] == [("user", "hi! my name is bob")]
    assert second[1:] == [*first[1:], ("assistant", answer.content), ("user", "what is my name?")]


async def test_retrieval_answers_from_the_documents(thread: ThreadMaker, openai: FakeOpenAI) -> None:
    shelf = Shelf(DOCUMENT)
    talk = thread(
        RunContext(retriever=shelf), **{"type": "chat_retrieval", "type==chat_retrieval/system_message": "S."}
    )
    streamed = await talk.run("the capital?")
    _, call, found, answer = await talk.messages()
    assert isinstance(call, AIMessage)
    assert isinstance(found, ToolMessage)
    [made] = call.tool_calls
    assert (call.content, made["name"], made["args"]) == ("", "retrieval", {"query": "the capital?"})
    assert (found.name, found.tool_call_id, found.status) == ("retrieval", made["id"], "success")
    assert found.content == [
        {"id": None, "metadata": {"source": "a.txt"}, "page_content": DOCUMENT.page_content, "type": "Document"}
    ]
    assert answer.content == "Echo: the capital?"
    assert shelf.queries == ["the capital?"]
    [[(role, prompt), question]] = sent(openai)
    assert (role, question) == ("system", ("user", "the capital?"))
    assert prompt.startswith("S.\n\nAnswer from the documents")
    assert prompt.endswith(DOCUMENT.page_content)
    assert streamed.order() == [
        ("messages", "invoke_retrieval"),
        ("updates", "invoke_retrieval"),
        ("messages", "retrieve"),
        ("updates", "retrieve"),
        ("messages", "response"),
        ("updates", "response"),
    ]


async def test_a_later_query_is_thought_of_out_of_sight(thread: ThreadMaker, openai: FakeOpenAI) -> None:
    shelf = Shelf(DOCUMENT)
    talk = thread(RunContext(retriever=shelf), type="chat_retrieval")
    await talk.run("the capital?")
    openai.forget()
    streamed = await talk.run("and its river?")
    [hidden], answer = sent(openai)
    assert hidden[0] == "user"
    assert hidden[1].endswith("Human: the capital?\nAI: Echo: the capital?\nHuman: and its river?")
    assert [role for role, _ in answer] == ["system", "user", "assistant", "user"]
    [call] = [m for mode, node, m in streamed.events if (mode, node) == ("messages", "invoke_retrieval")]
    assert isinstance(call, AIMessage)
    assert not isinstance(call, AIMessageChunk)
    assert call.tool_calls[0]["args"] == {"query": shelf.queries[1]}
    assert shelf.queries[1] == f"Echo: {hidden[1]}"


async def test_documents_take_no_more_than_their_share(thread: ThreadMaker, openai: FakeOpenAI) -> None:
    shelf = Shelf(*(Document(f"{number} {'x' * 9000}") for number in range(9)))
    await thread(RunContext(retriever=shelf), type="chat_retrieval").run("q")
    [[(_, prompt), _]] = sent(openai)
    assert [number for number in range(9) if f"{number} xxx" in prompt] == [0, 1]


async def test_a_thread_goes_on_after_its_assistant_changed(thread: ThreadMaker, openai: FakeOpenAI) -> None:
    talk: Thread = thread(RunContext(retriever=Shelf(DOCUMENT)), type="chat_retrieval")
    await talk.run("the capital?")
    talk.become(type="agent")
    await talk.run("and now?")
    talk.become(type="chatbot")
    await talk.run("TOKENS:1")
    assert (await talk.messages())[-1].content == "tok0 "
    roles = [[role for role, _ in conversation] for conversation in sent(openai)]
    assert roles[1] == ["system", "user", "assistant", "tool", "assistant", "user"]
    assert sent(openai)[1][3] == ("tool", DOCUMENT.page_content)


async def test_a_failed_answer_leaves_a_usable_thread(thread: ThreadMaker, openai: FakeOpenAI) -> None:
    talk = thread(RunContext(retriever=Shelf(DOCUMENT)), type="chat_retrieval")
    with pytest.raises(Exception, match="Scripted failure 400"):
        await talk.run("FAIL:400")
    await talk.run("TOKENS:1")
    assert (await talk.messages())[-1].content == "tok0 "
    assert [role for role, _ in sent(openai)[-1]] == ["system", "user", "user"]


async def test_the_context_window_bounds_what_is_sent(openai: FakeOpenAI) -> None:
    graph = agent.build(parse_config({}), build_model(None), MODELS[LOCAL_LABEL])
    graph = graph.copy(update={"checkpointer": InMemorySaver()})
    config: Any = {"configurable": {"thread_id": "long"}}
    past = [message for turn in range(20) for message in [("user", f"{turn}{'q' * 1500}"), ("ai", "a" * 1500)]]
    answer = await graph.ainvoke({"messages": [*past, ("user", "now")]}, config)
    [conversation] = sent(openai)
    assert [role for role, _ in conversation[:2]] == ["system", "user"]
    assert 10 < len(conversation) < 20
    assert conversation[-1] == ("user", "now")
    assert len(answer["messages"]) == 42  # what is stored stays whole
