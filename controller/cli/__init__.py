"""The command line `resourcectl`: commands for users of the API, and one command per process."""
