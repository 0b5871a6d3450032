"""A local server that answers as the services behind tools do. Run it as a program.

Each service has a path of its own: `/wikipedia`, `/arxiv`, `/pubmed/esearch.fcgi`, `/tavily/search`,
`/you/v1/search`, `/ddg/`, `/openai/images/generations`. A word in the query decides the answer:

- `EMPTY`: nothing was found, as that service says it.
- `REFUSED`: the service's own way of refusing under a good status, or its 400.
- `FAIL:429`: that status, with a Retry-After of 7.
- `GARBAGE`: a page of HTML where data should be, or the other way round.
- `HUGE`: 64 MB, more than anything should take.
- `STALL`: no answer until the client leaves.
- `CUT`: half an answer.
- `REDIRECT:/path`: a redirect to there; `LOOP`: to the same address again.
- anything else: found.

`GET /_requests` lists the requests as `{"method", "path", "query", "headers", "body"}`; `DELETE` forgets them.
"""

import argparse
import asyncio
import base64
import json
import re
from collections import deque
from collections.abc import AsyncIterator, Callable
from html import escape
from typing import Any
from urllib.parse import parse_qs

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

requests: deque[dict[str, Any]] = deque(maxlen=1000)

# The smallest JPEG that browsers show: one grey pixel.
JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP//////////////////////////////////////////////////////////////////////////////"
    "////////wgALCAABAAEBAREA/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABPxA="
)
PAGE = "<!DOCTYPE html><html><body><h1>Our systems are being looked after</h1></body></html>"


def xml(text: str) -> Response:
    return Response(text, media_type="application/xml")


# -- Wikipedia ----------------------------------------------------------------


WHOLE_TEXT = "Whole text.\n\n\n== Life ==\n" + "x" * 9000


def wikipedia(query: str, request: Request) -> Response:
    if "REFUSED" in query:
        error = {"code": "cirrussearch-too-busy-error", "info": "Search is currently too busy.", "docref": "See …"}
        return JSONResponse({"error": error, "servedby": "mw1"})
    if "pageids" in request.query_params:
        page = {
            "pageid": 58900,
            "ns": 0,
            "title": "Ada Lovelace",
            "extract": "Whole text.\n\n\n== Life ==\n" + "x" * 9000,
        }
        return JSONResponse({"batchcomplete": True, "query": {"pages": [page]}})
    if "EMPTY" in query:
        return JSONResponse({"batchcomplete": True})
    pages = [
        {"pageid": 2, "ns": 0, "title": "Analytical engine", "index": 2, "extract": "A proposed computer.",
         "contentmodel": "wikitext", "fullurl": "https://en.wikipedia.org/wiki/Analytical_engine"},
        {"pageid": 58900, "ns": 0, "title": "Ada Lovelace", "index": 1, "extract": "An introduction.",
         "contentmodel": "wikitext", "fullurl": "https://en.wikipedia.org/wiki/Ada_Lovelace"},
    ]  # fmt: skip
    return JSONResponse({"continue": {"gsroffset": 3, "continue": "gsroffset||"}, "query": {"pages": pages}})


# -- arXiv --------------------------------------------------------------------

FEED = """<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
  <link href="http://arxiv.org/api/query?search_query%3Dall" rel="self" type="application/atom+xml"/>
  <title type="html">ArXiv Query</title><id>http://arxiv.org/api/abc</id><updated>2026-10-01T00:00:00-04:00</updated>
  <opensearch:totalResults xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">1</opensearch:totalResults>
  ENTRIES
</feed>"""
PAPER = """<entry>
    <id>http://arxiv.org/abs/1706.03762v7</id><updated>2023-08-02T00:41:18Z</updated>
    <published>2017-06-12T17:57:34Z</published><title>Attention Is All
  You Need</title>
    <summary>  The dominant sequence transduction models
are based on complex networks.
</summary>
    <author><name>Ashish Vaswani</name></author><author><name>Noam Shazeer</name></author>
    <link href="http://arxiv.org/abs/1706.03762v7" rel="alternate" type="text/html"/>
    <category term="cs.CL" scheme="http://arxiv.org/schemas/atom"/>
  </entry>"""
REFUSED_ENTRY = """<entry><id>http://arxiv.org/api/errors#incorrect_id_format_for_1234</id><title>Error</title>
    <summary>incorrect id format for 1234</summary></entry>"""
BOMB = """<?xml version="1.0"?><!DOCTYPE feed [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<feed xmlns="http://www.w3.org/2005/Atom"><title>&b;</title></feed>"""


def arxiv(query: str, request: Request) -> Response:
    if "BOMB" in query:
        return xml(BOMB)
    return xml(FEED.replace("ENTRIES", "" if "EMPTY" in query else REFUSED_ENTRY if "REFUSED" in query else PAPER))


# -- PubMed -------------------------------------------------------------------

ARTICLES = """<?xml version="1.0" ?>
<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, 1st January 2026//EN"
  "https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_260101.dtd">
<PubmedArticleSet><PubmedArticle><MedlineCitation Status="MEDLINE" Owner="NLM"><PMID Version="1">31978945</PMID>
<Article PubModel="Print-Electronic"><Journal><JournalIssue CitedMedium="Internet"><PubDate><Year>2020</Year></PubDate>
</JournalIssue><Title>The New England journal of medicine</Title></Journal>
<ArticleTitle>A Novel <i>Coronavirus</i> from Patients.</ArticleTitle>
<Abstract><AbstractText Label="BACKGROUND">In December 2019 a cluster.</AbstractText>
<AbstractText Label="METHODS">We used <sup>1</sup>H cells.</AbstractText></Abstract></Article></MedlineCitation>
</PubmedArticle><PubmedArticle><MedlineCitation><PMID Version="1">2</PMID><Article>
<ArticleTitle>Without abstract.</ArticleTitle></Article></MedlineCitation></PubmedArticle></PubmedArticleSet>"""


def esearch(query: str, request: Request) -> Response:
    header = {"type": "esearch", "version": "0.3"}
    if "BUSY" in query:
        return JSONResponse({"error": "API rate limit exceeded", "api-key": "192.0.2.1", "count": "4", "limit": "3"})
    if "REFUSED" in query:
        return JSONResponse({"header": header, "esearchresult": {"ERROR": "Empty term and query_key - nothing todo"}})
    ids = [] if "EMPTY" in query else ["31978945", "2"]
    return JSONResponse({"header": header, "esearchresult": {"count": str(len(ids)), "retmax": "3", "idlist": ids}})


def efetch(query: str, request: Request) -> Response:
    return xml(ARTICLES)


# -- Searches with keys -------------------------------------------------------


def tavily(query: str, request: Request) -> Response:
    if request.headers.get("authorization") != "Bearer tvly-key":
        return JSONResponse({"detail": {"error": "Unauthorized: missing or invalid API key."}}, 401)
    if "REFUSED" in query:
        return JSONResponse({"detail": {"error": "This request exceeds your plan's set usage limit."}}, 432)
    result = {
        "url": "https://example.org/capital", "title": "Capitals", "content": "Paris is the capital of France.",
        "score": 0.98, "raw_content": None, "favicon": None,
    }  # fmt: skip
    asked = request.scope["json"]["include_answer"]
    return JSONResponse(
        {
            "query": query,
            "follow_up_questions": None,
            "answer": "Paris." if asked and "EMPTY" not in query else None,
            "images": [],
            "results": [] if "EMPTY" in query else [result],
            "response_time": 1.2,
            "request_id": "123e4567-e89b-12d3-a456-426614174111",
        }
    )


def you(query: str, request: Request) -> Response:
    if request.headers.get("x-api-key") != "ydc-key":
        return JSONResponse({"detail": "Invalid or expired API key"}, 401)
    if "REFUSED" in query:
        return JSONResponse({"detail": "Missing required scopes"}, 403)
    page = {
        "url": "https://example.org/capital", "title": "Capitals", "description": "Of the world.",
        "snippets": ["Paris is the capital.", "It lies on the Seine."], "page_age": "2026-10-01T12:00:00",
    }  # fmt: skip
    news = {"url": "https://example.org/news", "title": "News", "description": "From Paris."}
    results = {} if "EMPTY" in query else {"web": [page], "news": [news]}
    metadata = {"search_uuid": "9e4c", "query": query, "latency": 0.2}
    return JSONResponse({"results": results, "metadata": metadata})


# -- DuckDuckGo ---------------------------------------------------------------

RESULT = """<div class="result results_links results_links_deep web-result ">
  <div class="links_main links_deep result__body"><h2 class="result__title">
    <a rel="nofollow" class="result__a" href="%s">%s</a></h2>
    <a class="result__snippet" href="%s">Paris is the <b>capital</b> of France.</a></div></div>"""
AD = """<div class="result results_links result--ad "><h2 class="result__title">
  <a class="result__a" href="https://duckduckgo.com/y.js?ad_domain=shop.example">Buy capitals</a></h2></div>"""
NOTHING = """<div class="no-results">No results.</div>"""
HUMAN = """<form id="challenge-form" action="//duckduckgo.com/anomaly.js" method="POST">
  <div class="anomaly-modal__title">Unfortunately, bots use DuckDuckGo too.</div></form>"""


def ddg(query: str, request: Request) -> Response:
    direct = RESULT % ("https://example.org/capital", "Capitals of &amp; the world", "https://example.org/capital")
    wrapped = "//duckduckgo.com/l/?uddg=https%3A%2F%2Fexample.org%2Fparis%3Fa%3D1&amp;rut=abc"
    results = AD + direct + RESULT % (wrapped, "Paris", wrapped)
    inner = HUMAN if "REFUSED" in query else NOTHING if "EMPTY" in query else results
    text = f"<!DOCTYPE html><html><body><input name=q value={escape(query)!r}>{inner}</body></html>"
    return Response(text, 202 if "REFUSED" in query else 200, media_type="text/html")


# -- Images -------------------------------------------------------------------


def images(query: str, request: Request) -> Response:
    if request.headers.get("authorization") != "Bearer a-key":
        return JSONResponse({"error": {"message": "Incorrect API key", "type": "invalid_request_error"}}, 401)
    if "REFUSED" in query:
        error = {"message": "Rejected by the safety system.", "type": "image_generation_user_error",
                 "param": None, "code": "moderation_blocked"}  # fmt: skip
        return JSONResponse({"error": error}, 400)
    if "ADDRESS" in query:
        return JSONResponse({"created": 1, "data": [{"url": "https://images.example/1.png"}]})
    data = b"no image" if "EMPTY" in query else JPEG
    image = {"b64_json": base64.b64encode(data).decode()}
    return JSONResponse({"created": 1, "output_format": "jpeg", "size": "1024x1024", "data": [image]})


# -- All of them --------------------------------------------------------------


async def huge() -> AsyncIterator[bytes]:
    for _ in range(1000):
        yield b" " * 65536
        await asyncio.sleep(0)


async def half() -> AsyncIterator[bytes]:
    yield b'{"results": ['
    raise ConnectionError("cut by script")


def scripted(answer: Callable[[str, Request], Response]) -> Callable[[Request], Any]:
    """An endpoint that answers by `answer`, unless the query asks for something else."""

    async def endpoint(request: Request) -> Response:
        body = (await request.body()).decode()
        record(request, body)
        query = query_of(request, body)
        if match := re.search(r"FAIL\W(?:all:)?(\d+)", query):
            return JSONResponse({"detail": "scripted"}, int(match[1]), headers={"retry-after": "7"})
        if match := re.search(r"REDIRECT:(\S+)", query):
            return RedirectResponse(match[1], 302)
        if "LOOP" in query:
            return RedirectResponse(str(request.url), 302)
        if "GARBAGE" in query:
            return Response(PAGE, media_type="text/html")
        if "HUGE" in query:
            return StreamingResponse(huge())
        if "STALL" in query:
            await asyncio.sleep(60)
        if "CUT" in query:
            return StreamingResponse(half(), headers={"content-length": "1000"})
        return answer(query, request)

    return endpoint


def record(request: Request, body: str) -> None:
    requests.append(
        {
            "method": request.method,
            "path": request.url.path,
            "query": dict(request.query_params),
            "headers": dict(request.headers),
            "body": body,
        }
    )


def query_of(request: Request, body: str) -> str:
    """What is searched for, wherever the service takes it."""
    if request.headers.get("content-type") == "application/json":
        request.scope["json"] = json.loads(body)
        return str(request.scope["json"].get("query") or request.scope["json"].get("prompt"))
    if body:
        return parse_qs(body).get("q", [""])[0]
    given = request.query_params
    return given.get("gsrsearch") or given.get("search_query") or given.get("id_list") or given.get("term") or ""


async def recorded(request: Request) -> Response:
    if request.method == "DELETE":
        requests.clear()
    return JSONResponse(list(requests))


app = Starlette(
    routes=[
        Route("/wikipedia", scripted(wikipedia)),
        Route("/arxiv", scripted(arxiv)),
        Route("/pubmed/esearch.fcgi", scripted(esearch)),
        Route("/pubmed/efetch.fcgi", scripted(efetch)),
        Route("/tavily/search", scripted(tavily), methods=["POST"]),
        Route("/you/v1/search", scripted(you), methods=["POST"]),
        Route("/ddg/", scripted(ddg), methods=["POST"]),
        Route("/openai/images/generations", scripted(images), methods=["POST"]),
        Route("/_requests", recorded, methods=["GET", "DELETE"]),
    ]
)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    uvicorn.run(app, host="127.0.0.1", port=parser.parse_args().port, log_level="critical", timeout_graceful_shutdown=1)
