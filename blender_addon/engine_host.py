"""Lets Blender run a module as `python -m` does: blender --background --python engine_host.py -- MODULE ARGUMENTS...

Blender imports the extension's modules as a package; this file is none of them and imports none.
"""

import os
import runpy
import sys

arguments = sys.argv[sys.argv.index("--") + 1 :]
sys.path[:0] = os.environ["CINEMAGRAPH_PATHS"].split(os.pathsep)
sys.dont_write_bytecode = True
sys.argv = arguments
runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
