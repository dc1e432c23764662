"""The commands of the command line, one file each: what it asks for, how it runs, what it prints."""

from pipeline.commands import action, digit

COMMANDS = (action.add, digit.add)  # caption.py and language.py join them with their weights
