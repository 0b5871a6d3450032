"""Turns the bytes of a file into text. Runs in a process of its own (`knowledge.formats.__main__`).

Nothing here imports Django or LangChain, and each format's library is imported only when a file of it
is read: the process must start in a moment.
"""
