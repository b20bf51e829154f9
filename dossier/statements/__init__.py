"""The statements that can be declared, by what they are about."""
