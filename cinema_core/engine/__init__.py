"""The engine's commands, for the command line and for Blender, and the messages that answer them.

Imported by other rooms:

* modules `commands`
* commands: `Failure`, `Result`, `attempt`
* messages: `ConsoleMessages`, `JsonMessages`, `Messages`
* serve: `Engine`
"""
