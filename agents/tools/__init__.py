"""The tools that an agent may use: what there is, what each needs, and how it is built.

`kinds` says what a kind of tool is, `catalogue` lists them, `specs` reads them from an assistant's config, and
`toolset` builds the ones that a run needs. The other modules build one kind each.
"""
