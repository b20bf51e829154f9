"""Commands of dossiers."""
