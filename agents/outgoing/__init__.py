"""Calls to addresses that users choose: MCP servers, APIs, action servers.

Whoever configures an assistant says where this server connects to. Every such call goes through `client`, whose one
transport asks `addresses` before it connects, follows redirects by the rules of `redirects`, and limits time and size.
"""
