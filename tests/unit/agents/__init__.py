"""Tests of the app `agents`, without network."""
