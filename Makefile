# What people type. CMake does the work (CMakePresets.json); each target installs what it lacks.
.PHONY: all release dev demo test fuzz bench faults format check clean
CORPUS ?= ../shared/corpus
# Objects are shared between clones: ccache sees paths relative to the build folder.
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1

all: release

release: build/.packages
	cmake --preset release -DREQUANT_CORPUS=$(abspath $(CORPUS)) >/dev/null
	cmake --build --preset release --target requant_cli

dev: build/.packages
	cmake --preset dev -DREQUANT_CORPUS=$(abspath $(CORPUS)) >/dev/null
	cmake --build --preset dev

# The main job on a real checkpoint that lmdeploy 0.7.2 wrote.
demo: release
	tools/demo.sh build/release/requant tests/data/corpus/lmdeploy__sq-fp8-v072__tiny-internvl25

# Everything in one clone: release build, sanitizers build, all tests, all checks of the tree.
test: release dev
	ctest --preset dev -j2
	tools/check

# All targets under libFuzzer for SECONDS each, then what is covered; `tests/fuzz/run.py ledger` sums up.
SECONDS ?= 600
fuzz: build/.packages
	tools/stage_fuzz $(SECONDS)

bench: build/.packages
	cmake --preset release >/dev/null
	cmake --build --preset release
	bench/run build/release

# The whole of what .ci/run samples: every call, every allocation, thousands of kills. An hour or two.
faults: release dev
	python3 tests/faults/run.py --requant build/release/requant --hostile $(CORPUS)/../hostile --long
	REQUANT_FLIPS=10000 build/dev/src/plan/plan_test --gtest_filter='VerifyChecksums.*'

format:
	git ls-files -co --exclude-standard '*.cpp' '*.h' | xargs clang-format-14 -i

check: dev
	tools/check

build/.packages: tools/packages.txt tools/install_packages
	tools/install_packages
	@mkdir -p build && touch $@

clean:
	rm -rf build
