"""What a session heard and decided, kept in a file from which it can be decided again."""
