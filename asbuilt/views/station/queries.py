"""The station asks `line.*` and `unit.*`: it has no questions of its own."""
