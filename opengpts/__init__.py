"""OpenGPTs on Django: the project that its apps make up."""

VERSION = "0.1.0"
