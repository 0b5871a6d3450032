"""`/documents`, the documents of an assistant or a thread, and `/ingest`."""

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.models import User
from knowledge.intake import (
    Namespace,
    assistant_namespace,
    chunk_ids,
    delete_document,
    store_documents,
    thread_namespace,
)
from knowledge.models import Document
from knowledge.schemas import (
    INGEST,
    UPLOAD,
    UPLOADED,
    ChunkIds,
    DocumentSerializer,
    IngestProblem,
    parse_config,
)
from knowledge.uploads import complaints_about, read_upload, require_files
from knowledge.worker import worker
from opengpts.api import OK
from opengpts.auth import Needs, Scope, requester
from opengpts.errors import Invalid, NotFound, OpenGPTsError
from opengpts.later import Later
from opengpts.lookup import find, parse_id
from opengpts.openapi import BAD_REQUEST, GONE, INVALID, LIMITED, NOT_FOUND, Problem
from opengpts.throttling import UPLOADS

WHAT = "Document"
STOPPING = OpenGPTsError(
    "The server is stopping. The files are kept, and read when it is back: ask for the documents then.",
    code="server_stopping",
)
REFUSALS = {400: BAD_REQUEST, 403: Problem, 404: NOT_FOUND, 413: Problem, 422: INVALID, 429: LIMITED}
# Of `/ingest`, which waits for what else can go wrong.
FAILURES = {
    **REFUSALS,
    415: OpenApiResponse(Problem, description="A file is of a kind that is not read."),
    422: IngestProblem,
    502: OpenApiResponse(Problem, description="The model of EMBEDDINGS failed."),
    503: OpenApiResponse(
        Problem, description="The model of EMBEDDINGS cannot be used, or the server is stopping: the files are kept."
    ),
}


@extend_schema(tags=["documents"])
@extend_schema_view(
    retrieve=extend_schema(
        summary="One document, and how far it is", responses={200: DocumentSerializer, 404: NOT_FOUND}
    ),
    destroy=extend_schema(
        summary="Delete a document, so that it is found no more",
        responses={200: GONE},
    ),
)
class DocumentViewSet(GenericViewSet[Document]):
    """Files that assistants and threads know. They are seen and changed by their owner only."""

    queryset = Document.objects.none()
    serializer_class = DocumentSerializer
    lookup_value_regex = "[^/]+"
    needs: Needs = {"retrieve": Scope.READ, "destroy": Scope.MANAGE}

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(DocumentSerializer(find(Document.objects.owned_by(requester(request)), pk, what=WHAT)).data)

    def destroy(self, request: Request, pk: str) -> Response:
        delete_document(owner=requester(request), document_id=parse_id(pk, what=WHAT))
        return Response(OK)


class _NamespaceViewSet(GenericViewSet[Document]):
    """The documents of one assistant or thread, which is its owner's alone to see: a public assistant's, too."""

    throttle_scope = UPLOADS
    queryset = Document.objects.none()
    serializer_class = DocumentSerializer
    needs: Needs = {"list": Scope.READ, "create": Scope.MANAGE}

    def namespace(self, user: User, pk: str) -> Namespace:
        """Raises `NotFound`."""
        raise NotImplementedError

    def list(self, request: Request, pk: str) -> Response:
        namespace = self.namespace(requester(request), pk)
        page = self.paginate_queryset(Document.objects.filter(**namespace.fields))
        return self.get_paginated_response(DocumentSerializer(page, many=True).data)

    def create(self, request: Request, pk: str) -> Response:
        namespace = self.namespace(requester(request), pk)
        with read_upload(request._request, request._request) as upload:
            documents = store_documents(namespace=namespace, files=require_files(upload))
        worker.wake()
        headers = {"Location": f"/documents/{documents[0].pk}"} if len(documents) == 1 else {}
        return Response(DocumentSerializer(documents, many=True).data, status=202, headers=headers)


# What is answered to an upload is a list, but has no pages.
_NO_PAGES = [OpenApiParameter(name, exclude=True) for name in ("limit", "offset")]


def _documented(what: str) -> Callable[[type], type]:
    return extend_schema_view(
        list=extend_schema(
            tags=["documents"],
            summary=f"The documents of your {what}, newest first",
            responses={200: DocumentSerializer(many=True), 404: NOT_FOUND},
        ),
        create=extend_schema(
            tags=["documents"],
            summary=f"Upload files to your {what}; they are read in the background",
            request=UPLOAD,
            parameters=_NO_PAGES,
            responses={202: UPLOADED, **REFUSALS},
        ),
    )


@_documented("assistant")
class AssistantDocumentsViewSet(_NamespaceViewSet):
    def namespace(self, user: User, pk: str) -> Namespace:
        return assistant_namespace(owner=user, assistant_id=pk)


@_documented("thread")
class ThreadDocumentsViewSet(_NamespaceViewSet):
    def namespace(self, user: User, pk: str) -> Namespace:
        return thread_namespace(owner=user, thread_id=pk)


class IngestViewSet(GenericViewSet[Document]):
    """`POST /ingest`, as OpenGPTs has it: the answer comes when the files can be searched."""

    throttle_scope = UPLOADS
    queryset = Document.objects.none()
    pagination_class = None
    needs: Needs = {"create": Scope.MANAGE}

    @extend_schema(
        tags=["documents"],
        summary="Upload files, and wait until they can be searched",
        description="When some of the files cannot be read the others are stored all the same, and the answer is the "
        "first one's error, with a message about each. A client that leaves does not stop it.",
        request={"multipart/form-data": INGEST},
        responses={200: ChunkIds, **FAILURES},
    )
    def create(self, request: Request) -> HttpResponse:
        user = requester(request)
        with read_upload(request._request, request._request) as upload:
            config, complaints = parse_config(upload.texts.get("config"))
            complaints = complaints_about(upload) + complaints
            if complaints or config is None:
                raise Invalid(complaints)
            namespace = _with_dot(_namespace_of, user, config)
            documents = [document.pk for document in store_documents(namespace=namespace, files=upload.files)]
        worker.wake()
        return Later(
            lambda: worker.wait_for(documents),
            lambda: chunk_ids(document_ids=documents),
            stopping=STOPPING,
        )


def _namespace_of(user: User, ids: Any) -> Namespace:
    if ids.assistant_id is not None:
        return assistant_namespace(owner=user, assistant_id=ids.assistant_id)
    return thread_namespace(owner=user, thread_id=ids.thread_id)


def _with_dot(find_namespace: Callable[..., Namespace], *arguments: Any) -> Namespace:
    """The original ends these messages with a dot here, and only here."""
    try:
        return find_namespace(*arguments)
    except NotFound as exc:
        raise NotFound(f"{exc.message}.") from exc
