"""What English dates look like."""
