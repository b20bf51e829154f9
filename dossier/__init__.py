"""What an outsider gets: facts of law, manifests, PDF, bundle, schedule."""
