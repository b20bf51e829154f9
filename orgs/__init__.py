"""Who: people, organisations, roles, API keys, the tenant of a request, and the vault."""
