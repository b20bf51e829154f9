"""What happened, so that an outsider can check it. Knows nothing of language models."""
