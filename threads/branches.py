"""The branches of a thread: what going on from earlier checkpoints has made of its past."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from threads.checkpoints import checkpoints_of
from threads.models import Thread
from threads.positions import count
from threads.rows import texts_of
from threads.state import HISTORY_SIZE, conversation_of


@dataclass(frozen=True, slots=True)
class Branch:
    """The way from a thread's first checkpoint to one that nothing goes on from.

    `fork` is where it leaves the newer branch that it shares most with: its newest checkpoint that is one of a newer
    branch too. None for the newest branch, and for one that shares nothing with a newer one. `current` is the branch
    that the thread stands on, and goes on from: the newest. `messages` counts those of its last state; `last_message`
    is the last of them, as JSON text in the API's form. `next` are the nodes to run.
    """

    checkpoint_id: str
    fork: str | None
    current: bool
    created_at: datetime
    messages: int
    last_message: str | None
    next: list[str]


def read_branches(*, thread: Thread, limit: int, offset: int = 0) -> tuple[list[Branch], int]:
    """`limit` of the thread's branches from number `offset` on, newest first, and how many there are in all.

    Fewer, but one at least, where their messages come to more than `HISTORY_SIZE`. Three queries; of all the thread's
    checkpoints no more than the ids are read.
    """
    tree = checkpoints_of(thread.pk).values_list("checkpoint_id", "parent_checkpoint_id")
    leaves = leaves_of(dict(tree))
    page = leaves[offset : offset + limit]
    rows = checkpoints_of(thread.pk).filter(checkpoint_id__in=[leaf for leaf, _ in page])
    # A row that is gone was deleted since the tree was read; so was a message.
    ends = {row.checkpoint_id: row for row in rows.only("checkpoint_id", "created_at", "next", "messages")}
    conversations = {leaf: conversation_of(row.messages) for leaf, row in ends.items()}
    texts = texts_of(thread.pk, [ranges[-1][1] for ranges in conversations.values() if ranges])
    branches: list[Branch] = []
    size = 0
    for leaf, fork in page:
        if (row := ends.get(leaf)) is None:
            continue
        ranges = conversations[leaf]
        last_message = texts.get(ranges[-1][1]) if ranges else None
        size += len(last_message or "")
        if branches and size > HISTORY_SIZE:
            break
        branches.append(
            Branch(
                checkpoint_id=leaf,
                fork=fork,
                current=leaf == leaves[0][0],
                created_at=row.created_at,
                messages=count(ranges),
                last_message=last_message,
                next=row.next,
            )
        )
    return branches, len(leaves)


def leaves_of(parents: Mapping[str, str]) -> list[tuple[str, str | None]]:
    """The nodes that are nobody's parent, each with its `fork` (see `Branch`).

    `parents` are all nodes and the parent of each, newest first; a parent that is not among them is none.
    """
    inner = set(parents.values())
    reached: set[str] = set()
    leaves: list[tuple[str, str | None]] = []
    for leaf in parents:
        if leaf in inner:
            continue
        node = leaf
        # What a newer branch has reached it has reached back to the root, so no node is visited twice.
        while node in parents and node not in reached:
            reached.add(node)
            node = parents[node]
        leaves.append((leaf, node if node in parents else None))
    return leaves
