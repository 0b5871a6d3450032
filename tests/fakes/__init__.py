"""Servers that stand in for model providers: they speak the provider's API over HTTP and answer by script."""
