"""The graphs that an assistant's `type` names. Each module has `build(config, model, entry, toolset)`."""
