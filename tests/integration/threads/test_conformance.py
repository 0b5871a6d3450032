"""The saver passes LangGraph's own conformance suite."""

from collections.abc import AsyncGenerator
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

import pytest
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import BASE_CAPABILITIES, EXTENDED_CAPABILITIES

from accounts.models import User
from opengpts.db import in_database_thread
from threads.models import Thread
from threads.saver import DjangoSaver


class AnyThreadSaver(DjangoSaver):
    """The saver with the threads that the suite makes up as it goes: any name, and nobody made them."""

    def thread_pk(self, thread_id: str) -> UUID:
        return uuid5(NAMESPACE_OID, thread_id)

    def _make(self, thread_id: str) -> None:
        owner, _ = User.objects.get_or_create(username="conformance")
        Thread.objects.get_or_create(pk=self.thread_pk(thread_id), defaults={"owner": owner})

    async def aput(self, config: Any, *args: Any) -> Any:
        await in_database_thread(self._make, config["configurable"]["thread_id"])
        return await super().aput(config, *args)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        await in_database_thread(self._make, target_thread_id)
        await super().acopy_thread(source_thread_id, target_thread_id)


@checkpointer_test(name="DjangoSaver")
async def any_thread_saver() -> AsyncGenerator[AnyThreadSaver, None]:
    yield AnyThreadSaver()


@pytest.mark.django_db(transaction=True)
async def test_conformance() -> None:
    report = await validate(any_thread_saver)
    wanted = {capability.value for capability in BASE_CAPABILITIES | EXTENDED_CAPABILITIES}
    assert {name: result.failures for name, result in report.results.items()} == {key: [] for key in wanted}
    assert {name for name, result in report.results.items() if result.passed and result.tests_passed} == wanted
