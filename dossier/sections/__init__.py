"""The sections of a dossier, numbered as in the specification; a function for each."""
