# make demo             renders a loop of the sample photo, or of PHOTO=.. [ANNOTATIONS=..] [DEPTH=..] [OUT=..]
# make test             checks the code with ruff and mypy, and runs all tests
# make lint             checks the code alone
# make test-window      tests undo while live previews draw, and the set-up of the engine by mouse, in a Blender with a
#                       window: yours, named by CINEMAGRAPH_WINDOW_BLENDER, or Debian's (SUITE=trixie, sid) in .window,
#                       where root can set it up
# make fuzz             mutates COUNT=5000 files and requests of every kind, and tells which do not end in a sentence;
#                       KINDS="photos masks" alone, SEED=1 others
# make bench            prints figures of docs/benchmarks.md, for the sample photo or CASES="photo.png:strokes.json ..."
# make bench-motion     compares the motion field with the reference, measures the loop and the time of an edit
# make bench-loop       prints figures of the loop, of CASES, of moving scenes with known truth, and of
#                       CLIPS="folder video.mp4 ..." beside the clips; OUT_LOOP=folder for pictures
# make bench-depth      measures how much camera moves bend and tear photographs, before and after depth by objects;
#                       OUT_DEPTH=folder writes pictures
# make bench-geometry   compares views of moved cameras with the ground truth, slabs and a displaced mesh, and measures
#                       how the layering's cost grows with the photo's size
# make identity         prints hashes of builds and previews, to compare two versions of the code
# make package          builds the extension's zip with the engine's packages, for PLATFORM=linux-x64, windows-x64 or
#                       macos-arm64 and PYTHON=3.11 (Blender 4.3 to 5.0) or 3.13 (5.1 and newer); PLATFORM=any: without them
# make package-all      builds all of these zips
# make repository       makes dist/repository, which Blender installs and updates from, of the zips
# make lock             chooses the engine's packages anew, after a change of pyproject.toml's pins; see docs/release.md
# make depth-data, depth-train, depth-eval    make the depth network from seeds; see training/README.md
# Each sets up its environment in .venv. Only Python 3.11, git and make must be installed beforehand.

PHOTO ?= demo/sea3.jpg
OUT ?= demo/out
ifeq ($(PHOTO),demo/sea3.jpg)
ANNOTATIONS ?= demo/sea3_strokes.json
endif
export BLENDERS

# `make package PYTHON=3.13` names the Python that a zip is for.
PLATFORM ?= linux-x64
PACKAGE_PYTHON := $(if $(findstring command,$(origin PYTHON)),$(PYTHON),3.11)
override PYTHON := .venv/bin/python
# The engine of a Blender that these commands start: the environment has its packages, so none are set up.
export CINEMAGRAPH_PYTHON ?= $(CURDIR)/$(PYTHON)
EXTENSION = dist/cinemagraph_3d.zip
# Blender's own tool for building extensions, included in the bpy wheel.
EXTENSION_TOOL = .venv/lib/python3.11/site-packages/bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py

.PHONY: demo test test-window fuzz lint identity bench bench-motion bench-loop bench-geometry bench-depth depth-data depth-train depth-eval environment extension lock \
    package package-all repository clean

demo: extension
	$(PYTHON) demo/demo.py --zip $(EXTENSION) --photo "$(PHOTO)" --out "$(OUT)" \
	    $(if $(ANNOTATIONS),--annotations "$(ANNOTATIONS)") $(if $(DEPTH),--depth "$(DEPTH)")

test: environment
	@.ci/test

lint: environment
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

SUITE ?= trixie
ifdef CINEMAGRAPH_WINDOW_BLENDER
test-window: extension
else
test-window: export CINEMAGRAPH_WINDOW_BLENDER = .ci/window run $(SUITE)
test-window: extension
	@.ci/window setup $(SUITE)
endif
	$(PYTHON) -m pytest -s tests/window

COUNT ?= 5000
SEED ?= 0
fuzz: environment
	cd tests && PYTHONPATH=.:.. ../$(PYTHON) -m fuzz --count $(COUNT) --seed $(SEED) $(KINDS)

CASES ?= demo/sea3.jpg:demo/sea3_strokes.json
bench: extension
	$(PYTHON) tests/benchmark/figures.py --zip $(EXTENSION) $(CASES)

bench-motion: extension
	$(PYTHON) tests/benchmark/motion_figures.py
	$(PYTHON) tests/benchmark/loops.py $(CASES)
	$(PYTHON) tests/benchmark/editing.py --zip $(EXTENSION) $(CASES)

bench-loop: environment
	$(PYTHON) tests/benchmark/loop_figures.py $(CASES) $(if $(CLIPS),--clips $(CLIPS)) $(if $(OUT_LOOP),--pictures "$(OUT_LOOP)")

bench-geometry: environment
	$(PYTHON) tests/benchmark/geometry.py
	$(PYTHON) tests/benchmark/geometry.py --scaling canyon

bench-depth: environment
	$(PYTHON) tests/benchmark/depth_figures.py $(if $(OUT_DEPTH),--pictures "$(OUT_DEPTH)")

identity: environment
	$(PYTHON) tests/benchmark/identity.py $(CASES)

# Each command continues where it stopped. None changes the shipped weights; to use new ones, copy them over
# cinema_core/depth/network.safetensors.
DEPTH_DATA ?= training/data
DEPTH_RUN ?= training/run
DEPTH_BLOCKS ?= 400
DEPTH_STEPS ?= 12000
depth-data: environment
	$(PYTHON) -m training.scenes.generate --out $(DEPTH_DATA) --blocks $(DEPTH_BLOCKS)

depth-train: environment
	$(PYTHON) -m training.train --data $(DEPTH_DATA) --out $(DEPTH_RUN) --steps $(DEPTH_STEPS)

depth-eval: environment
	$(PYTHON) -m training.evaluate --data $(DEPTH_DATA) $(if $(wildcard $(DEPTH_RUN)/depth_network.safetensors),--weights $(DEPTH_RUN)/depth_network.safetensors)

extension: environment
	@mkdir -p dist
	$(PYTHON) $(EXTENSION_TOOL) build --source-dir . --output-filepath $(EXTENSION)
	$(PYTHON) $(EXTENSION_TOOL) validate $(EXTENSION)

package: environment
	@$(PYTHON) .ci/package.py $(PLATFORM) $(PACKAGE_PYTHON)

# Continues past a zip that cannot be made here, and fails at the end.
package-all: environment
	@failed=0; $(PYTHON) .ci/package.py any || failed=1; \
	for platform in linux-x64 windows-x64 macos-arm64; do for python in 3.11 3.13; do \
	    $(PYTHON) .ci/package.py $$platform $$python || failed=1; \
	done; done; exit $$failed

repository: environment
	@$(PYTHON) .ci/repository.py

lock: environment
	@$(PYTHON) .ci/lock_engine.py

environment:
	@python=$$(.ci/find_python 3.11) || { echo "Python 3.11 was not found: please install it (Blender 4.5 LTS needs this version)."; exit 1; }; \
	"$$python" .ci/environment.py .venv 4.5
	@$(PYTHON) .ci/package.py pip

clean:
	rm -rf dist build demo/out *.egg-info
