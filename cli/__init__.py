"""The command `precedent`, one thin file a verb group."""
