"""What each architecture sends to its model, streams and stores."""

from dataclasses import replace
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphRecursionError
from openai import BadRequestError

from agents.architectures import agent, chat_retrieval
from agents.config import parse_config
from agents.context_window import BYTES_PER_TOKEN
from agents.language_models.builtin_models import DEFAULT_LABEL, LOCAL_LABEL
from agents.language_models.catalogue import MODELS
from agents.language_models.chat_models import build_model
from agents.language_models.model_errors import TOO_LONG, explain
from agents.retrieval import RunContext
from agents.tools.retrieval import retrieval
from agents.tools.toolset import Toolset
from tests.fakes.tools import dump
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
    assert [request["body"]["model"] for request in requests] == ["gpt-6-luna", "gpt-6.1-sol", "gpt-6.1-terra"]
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


async def test_a_notice_says_what_does_not_act_and_only_what_is_new(openai: FakeOpenAI) -> None:
    saver = InMemorySaver()

    async def run(text: str, *problems: str) -> list[BaseMessage]:
        graph = agent.build(
            parse_config({}), build_model(MODELS[DEFAULT_LABEL]), MODELS["GPT 4o"], Toolset(problems=problems)
        )
        graph = graph.copy(update={"checkpointer": saver})
        said = await graph.ainvoke({"messages": [("user", text)]}, {"configurable": {"thread_id": "t"}})
        return list(said["messages"])

    await run("one", "Wikipedia is away.", "Arxiv has no key.")
    await run("two", "Wikipedia is away.", "Arxiv has no key.")
    await run("three", "Arxiv has no key.")
    messages = await run("four")
    assert shape(messages) == [
        ("human", "one"),
        ("ai", "Wikipedia is away.\nArxiv has no key."),
        ("ai", "Echo: one"),
        ("human", "two"),
        ("ai", "Echo: two"),
        ("human", "three"),
        ("ai", "Arxiv has no key."),
        ("ai", "Echo: three"),
        ("human", "four"),
        ("ai", "Echo: four"),
    ]
    assert messages[1].additional_kwargs == {"notice": "tools_unavailable"}
    assert [role for role, _ in sent(openai)[1]] == ["system", "user", "assistant", "user"]
    assert "tools" not in openai.requests()[0]["body"]


async def test_the_local_model_is_named_as_the_reason(openai: FakeOpenAI) -> None:
    config = parse_config({"configurable": {"type==agent/tools": ["Wikipedia"]}})
    graph = agent.build(config, build_model(MODELS[DEFAULT_LABEL]), MODELS[LOCAL_LABEL])
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
    assert prompt.endswith(f"[1] Source: a.txt\n{DOCUMENT.page_content}")
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
    # Each is about a fifth of the model's window, and their share is the half of it.
    window = MODELS[DEFAULT_LABEL].context_window or 0
    shelf = Shelf(*(Document(f"{number} {'x' * (window // 5 * BYTES_PER_TOKEN)}") for number in range(9)))
    await thread(RunContext(retriever=shelf), type="chat_retrieval").run("q")
    [[(_, prompt), _]] = sent(openai)
    assert [number for number in range(9) if f"{number} xxx" in prompt] == [0, 1]


async def test_the_retrieval_tool_searches_and_names_its_sources(openai: FakeOpenAI) -> None:
    config = parse_config({"configurable": {"type==agent/retrieval_description": "My files."}})
    graph = agent.build(config, build_model(MODELS[DEFAULT_LABEL]), MODELS["GPT 4o"], Toolset((retrieval,)))
    shelf = Shelf(
        Document("one", metadata={"source": "a.pdf", "page": 3}),
        Document("two", metadata={"source": "b.md", "section": "Rivers"}),
        Document("three"),
    )
    asked: Any = {"messages": [("user", 'TOOL:retrieval {"query": "the capital"}')]}
    _, _, found, answer = (await graph.ainvoke(asked, context=RunContext(retriever=shelf)))["messages"]
    assert found.content == "[1] Source: a.pdf, page 3\none\n\n[2] Source: b.md, Rivers\ntwo\n\n[3]\nthree"
    assert found.artifact == shelf.documents
    assert answer.content == f"Echo: tool said {found.content}"
    assert shelf.queries == ["the capital"]
    assert openai.requests()[0]["body"]["tools"][0]["function"]["description"] == "My files."
    assert (await graph.ainvoke(asked))["messages"][2].content == "Nothing was found."


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


async def test_a_small_model_writes_no_query_and_reads_one_passage(openai: FakeOpenAI) -> None:
    shelf = Shelf(DOCUMENT, Document("Dull."))
    config = parse_config({"configurable": {"type": "chat_retrieval"}})
    graph = chat_retrieval.build(config, build_model(MODELS[DEFAULT_LABEL]), MODELS[LOCAL_LABEL])
    said = [("user", "the capital?"), ("ai", "Fredville."), ("user", "and its river?")]
    await graph.ainvoke({"messages": said}, context=RunContext(retriever=shelf))
    assert shelf.queries == ["and its river?"]
    [asked] = sent(openai)
    assert DOCUMENT.page_content in asked[0][1]
    assert "Dull." not in asked[0][1]


async def test_the_context_window_bounds_what_is_sent(openai: FakeOpenAI) -> None:
    graph = agent.build(parse_config({}), build_model(MODELS[DEFAULT_LABEL]), MODELS[LOCAL_LABEL])
    graph = graph.copy(update={"checkpointer": InMemorySaver()})
    config: Any = {"configurable": {"thread_id": "long"}}
    past = [message for turn in range(20) for message in [("user", f"{turn}{'q' * 1500}"), ("ai", "a" * 1500)]]
    answer = await graph.ainvoke({"messages": [*past, ("user", "now")]}, config)
    [conversation] = sent(openai)
    assert [role for role, _ in conversation[:2]] == ["system", "user"]
    assert 10 < len(conversation) < 20
    assert conversation[-1] == ("user", "now")
    assert len(answer["messages"]) == 42  # what is stored stays whole


async def test_a_turn_of_big_results_does_not_outgrow_the_model(openai: FakeOpenAI) -> None:
    entry = replace(MODELS["GPT 4o"], context_window=4000)
    config = parse_config({"configurable": {"type==agent/system_message": "WINDOW:4000"}})
    graph = agent.build(config, build_model(MODELS[DEFAULT_LABEL]), entry, Toolset((dump,)))
    graph = graph.copy(update={"checkpointer": InMemorySaver()})
    at: Any = {"configurable": {"thread_id": "long"}, "recursion_limit": 20}
    both = 'TOOL:dump {"size": 20000} TOOL:dump {"size": 9000}'
    for _ in range(2):
        answer = await graph.ainvoke({"messages": [("user", both)]}, at)
    assert [len(m.content) for m in answer["messages"] if isinstance(m, ToolMessage)] == [20_000, 9000] * 2
    with pytest.raises(GraphRecursionError):
        await graph.ainvoke({"messages": [("user", 'LOOP:dump {"size": 3000}')]}, at)
    assert len(openai.requests()) == 14
    with pytest.raises(BadRequestError) as refused:  # or the model would not have refused anything above
        await graph.ainvoke({"messages": [("user", "x" * 20_000)]}, at)
    assert str(explain(refused.value)) == TOO_LONG
