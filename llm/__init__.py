"""The models: provider adapters and settings, routing, the chat turn, its API and pages."""
