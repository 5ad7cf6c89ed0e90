"""The engine's commands, for the command line and for Blender, and the messages that answer them.

Imported by other rooms:

* modules `batch`, `commands`, `requirements`
* arguments: `DEPTH_OPTIONS`, `build_parser`
* messages: `ConsoleMessages`, `JsonMessages`, `Messages`
* outcome: `Failure`, `Result`, `attempt`
* overwriting: `check_file`
* serve: `Engine`
"""
