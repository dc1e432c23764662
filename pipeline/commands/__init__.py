"""The commands of the command line, one file each: what it asks for, how it runs, what it prints."""

from pipeline.commands import action, caption, digit, doctor, explain, language, teach

COMMANDS = (
    action.add,
    caption.add,
    explain.add,
    teach.add,
    language.add_complete,
    language.add_next,
    digit.add,
    doctor.add,
)
