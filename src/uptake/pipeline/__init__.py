"""The order of the work: `steps` is the one table, `runner` goes through it, `settings` composes settings."""
