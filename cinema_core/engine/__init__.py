"""The engine's commands, for the command line and for Blender, and the messages that answer them.

Imported by other rooms:

* modules `commands`, `outcome`
* messages: `ConsoleMessages`, `JsonMessages`, `Messages`
* outcome: `Failure`, `Result`, `attempt`
* serve: `Engine`
"""
