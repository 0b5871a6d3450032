"""Tests of the app `agents` against a server that speaks OpenAI's API."""
