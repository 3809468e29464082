# The commands of a developer, and of the CI (.ci/run). Everything is installed from PyPI, with the exact versions of
# constraints/, into virtual environments in this folder; nothing is installed twice.
#
#   make run             the gate over a short sample scene, on a fresh machine
#   make test            every test
#   make pythons         the tests in other Pythons, each with an environment of its own: PYTHONS="python3.12 python3.13"
#   make check           linters, types, import rules, spelling
#   make models          the shipped bundle from the data: DATA=folder with manifest.csv, WORK=folder for checkpoints
#   make results         what results/ holds, measured again, and the bundle told how it stands to its limits
#   make limits          the bundle told how it stands to the limits of train/task.toml, from what results/ holds
#   make tables          the tables of the README, from what results/ holds, and of docs/benchmarks, from its machines/
#   make bench           this machine into docs/benchmarks/machines: NAME=what to call it; let it do nothing else meanwhile
#   make bench-peers     cost, memory, start-up and detections beside pymicro-wakeword and openWakeWord
#   make bench-paired    recall and false accepts of one word beside microWakeWord's, on the same clips of dev
#   make bench-frontend  the frontend beside the C frontend, in one process; the transform of the cues beside two others
#   make bench-scale     the same shards by one process, by two, and by Apache Beam: clips/s, memory, hashes, kills
#   make bench-daemon    the daemon: latency through a microphone, faults, a day of sound, own playback, updates, drift
#   make bench-startup   processor time and memory of a start, in every state of the caches
#   make arm             instructions on emulated aarch64 boards, beside those of peers; ARM_ARGS=--check compares only
#   make arm-tests       the tests of the device that depend on the processor, on emulated aarch64 boards
#   make firmware        the bundle exported as C, cross-compiled, and run on emulated Cortex-M boards
#   make clean           removes what was installed and built here, except checkpoints and caches of training (build/)
#
# Budgets, in seconds: a step that takes longer is stopped and its target fails. On two x86-64 cores, with a near mirror of
# PyPI, installing took 15 s for make run, 22 s for make check and 120 to 200 s for make test (3.2 GB).
INSTALL_BUDGET := 900
RUN_BUDGET     := 120
TEST_BUDGET    := 2400
PYTHONS_BUDGET := 7200
CHECK_BUDGET   := 300
MODELS_BUDGET  := 14400
RESULTS_BUDGET := 7200
BENCH_BUDGET   := 1800
DAEMON_BUDGET  := 7200
ARM_BUDGET     := 1800
ARM_TESTS_BUDGET := 5400
FIRMWARE_BUDGET := 900

PYTHON ?= python3
PYTHONS ?= python3.12 python3.13
DATA   ?= ../shared/data
WORK   ?= build/models
NAME   ?= $(shell uname -n)
BUNDLE_VERSION ?= 0.3.0

# tflite-runtime was never built for anything newer than Python 3.11; where there is none, the test that compares the two
# interpreters says that it was skipped.
TFLITE_PYTHON ?= $(shell for p in $(PYTHON) python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && echo $$p && break; done)

SHELL := /bin/sh
.DELETE_ON_ERROR:
.PHONY: help run test pythons check models results limits tables bench bench-peers bench-frontend bench-scale bench-startup bench-daemon bench-paired arm arm-tests firmware clean

help:
	@sed -n 's/^#   make/make/p' Makefile

# ------------------------------------------------------------------------------------------------ environments

PACKAGE := setup.cfg pyproject.toml
LIMIT := timeout --foreground --kill-after=10

# $(call install,environment,python,extras,constraint files): creates the environment and stamps it when all went well.
define install
	@$(2) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null || { \
		echo "make: $(2) is not a Python 3.11, 3.12 or 3.13; name one: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(call debian,$(2) -c 'import ensurepip',python3-venv)
	@echo "installing vivavoce[$(3)] into $(1) (once)"
	@$(1)/bin/python -m pip --version >/dev/null 2>&1 || $(2) -m venv --clear $(1)
	@$(LIMIT) $(INSTALL_BUDGET) $(1)/bin/python -m pip install -qq --disable-pip-version-check --no-input \
		$(foreach file,$(4),--constraint constraints/$(file).txt) --editable '.[$(3)]' </dev/null
	@touch $(1)/.installed
endef

# $(call debian,probe,packages): where the probe fails, installs Debian packages if it may, and says what to do if not.
debian = { $(1); } >/dev/null 2>&1 || { \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing $(2) (Debian)"; \
		{ apt-get -qq update && DEBIAN_FRONTEND=noninteractive $(LIMIT) $(INSTALL_BUDGET) apt-get -qq install --yes $(2); } \
			</dev/null >/dev/null; \
	else echo "make: $(2) missing; install it with: sudo apt-get install $(2)" >&2; exit 1; fi; }

.venv/.installed: $(PACKAGE) constraints/device-litert.txt
	$(call install,.venv,$(PYTHON),litert,device-litert)
	@mkdir -p build
	@.venv/bin/vivavoce doctor --warm >build/doctor.log 2>&1 || { cat build/doctor.log >&2; rm $@; exit 1; }

.venv-dev/.installed: $(PACKAGE) constraints/device-litert.txt constraints/dev.txt
	$(call install,.venv-dev,$(PYTHON),litert$(comma)dev,device-litert dev)

.venv-train/.installed: $(PACKAGE) constraints/device-litert.txt constraints/train.txt constraints/test.txt
	$(call install,.venv-train,$(PYTHON),train$(comma)litert$(comma)micro$(comma)test,train test)

.venv-py%/.installed: $(PACKAGE) constraints/train.txt constraints/test.txt
	$(call install,.venv-py$*,$(PYTHON),train$(comma)litert$(comma)micro$(comma)test,train test)

.venv-scale/.installed: $(PACKAGE) constraints/scale.txt constraints/test.txt
	$(call install,.venv-scale,$(PYTHON),scale$(comma)test,scale test)

.venv-tflite/.installed: $(PACKAGE) constraints/device-tflite.txt
	$(call install,.venv-tflite,$(TFLITE_PYTHON),tflite,device-tflite)

.venv-bench/.installed: $(PACKAGE) constraints/device-litert.txt constraints/test.txt
	$(call install,.venv-bench,$(PYTHON),litert$(comma)test,device-litert test)

.venv-peers/.installed: constraints/peers.txt
	@$(PYTHON) -m venv --clear .venv-peers
	@$(LIMIT) $(INSTALL_BUDGET) .venv-peers/bin/python -m pip install -qq --disable-pip-version-check --no-input \
		--requirement constraints/peers.txt </dev/null
	@touch $@

.venv-openwakeword/.installed: constraints/openwakeword.txt
	@$(TFLITE_PYTHON) -m venv --clear .venv-openwakeword
	@$(LIMIT) $(INSTALL_BUDGET) .venv-openwakeword/bin/python -m pip install -qq --disable-pip-version-check --no-input \
		--requirement constraints/openwakeword.txt </dev/null
	@touch $@

comma := ,

# ------------------------------------------------------------------------------------------------ what people run

run: .venv/.installed
	@$(LIMIT) $(RUN_BUDGET) .venv/bin/vivavoce run edge/data/scene.flac

test: .venv-train/.installed .venv-scale/.installed $(if $(TFLITE_PYTHON),.venv-tflite/.installed)
	@$(call debian,command -v espeak-ng && command -v flite,espeak-ng flite)
	@$(call debian,command -v pulseaudio && command -v paplay && ldconfig -p | grep -q libportaudio && \
		ls /usr/lib/*/alsa-lib/libasound_module_pcm_pulse.so,libportaudio2 pulseaudio pulseaudio-utils libasound2-plugins)
	@$(call debian,command -v aarch64-linux-gnu-ld,binutils-aarch64-linux-gnu)
	@$(call debian,(command -v mosquitto || test -x /usr/sbin/mosquitto) && command -v openssl && command -v strace,\
		mosquitto openssl strace)
	@$(call debian,command -v chromium && command -v tmux,chromium tmux)
	@$(if $(TFLITE_PYTHON),VIVAVOCE_TFLITE_PYTHON="$(CURDIR)/.venv-tflite/bin/python") \
		$(LIMIT) $(TEST_BUDGET) .venv-train/bin/python -m pytest $(PYTEST_ARGS)
	@$(LIMIT) $(TEST_BUDGET) .venv-scale/bin/python -m pytest -k beam tests/train/test_engines_*.py

pythons: .venv/.installed
	@found=; for python in $(PYTHONS); do \
		version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])') || exit 1; \
		$(MAKE) --no-print-directory PYTHON="$$python" ".venv-py$$version/.installed" || exit 1; \
		found="$$found .venv-py$$version/bin/python"; \
	done; \
	$(LIMIT) $(PYTHONS_BUDGET) .venv/bin/python tests/bench/pythons.py $(PYTHONS_ARGS) $$found

check: .venv-dev/.installed
	@$(LIMIT) $(CHECK_BUDGET) .venv-dev/bin/ruff check .
	@$(LIMIT) $(CHECK_BUDGET) .venv-dev/bin/ruff format --check .
	@$(LIMIT) $(CHECK_BUDGET) .venv-dev/bin/mypy
	@$(LIMIT) $(CHECK_BUDGET) .venv-dev/bin/lint-imports
	@$(LIMIT) $(CHECK_BUDGET) .venv-dev/bin/codespell

# ------------------------------------------------------------------------------------------------ models and figures

VIVAVOCE = $(LIMIT) $(MODELS_BUDGET) .venv-train/bin/vivavoce

# Each step resumes where it was interrupted. The bundle is packed twice, because the cut-offs are chosen on dev with the
# int8 networks as they ship.
models: .venv-train/.installed $(WORK)/embedding
	@$(call debian,command -v espeak-ng && command -v flite,espeak-ng flite)
	$(VIVAVOCE) train wake --data $(DATA) --out $(WORK)/wake
	$(VIVAVOCE) train liveness --data $(DATA) --seed 2 --out $(WORK)/liveness
	$(VIVAVOCE) train verifier --data $(DATA) --embedding $(WORK)/embedding/openwakeword/resources/models --out $(WORK)/verifier
	$(VIVAVOCE) quantize convert $(WORK)/wake
	$(VIVAVOCE) quantize convert $(WORK)/verifier
	$(VIVAVOCE) quantize convert $(WORK)/liveness
	$(VIVAVOCE) quantize parity $(WORK)/wake/model_float.tflite $(WORK)/wake/model_int8.tflite \
		--data $(WORK)/wake/representative.npz
	$(VIVAVOCE) quantize parity $(WORK)/liveness/model_float.tflite $(WORK)/liveness/model_int8.tflite \
		--data $(WORK)/liveness/representative.npz
	$(VIVAVOCE) quantize pack --wake $(WORK)/wake --verifier $(WORK)/verifier --liveness $(WORK)/liveness --out $(WORK)/bundle
	$(VIVAVOCE) train cutoffs --data $(DATA) --bundle $(WORK)/bundle --out $(WORK)/cutoffs.json
	$(VIVAVOCE) quantize pack --wake $(WORK)/wake --verifier $(WORK)/verifier --liveness $(WORK)/liveness \
		--cutoffs $(WORK)/cutoffs.json --author vivavoce --language en --bundle-version $(BUNDLE_VERSION) --out edge/data/bundle

# The speech embedding that the verifier begins with (Google, Apache-2.0), as the wheel of openWakeWord holds it.
# It does not age with the environment.
$(WORK)/embedding: | .venv-train/.installed
	@rm -rf $@.part
	@mkdir -p $@.part
	@$(LIMIT) $(INSTALL_BUDGET) .venv-train/bin/python -m pip download -qq --disable-pip-version-check --no-deps \
		--dest $@.part openwakeword==0.5.1 </dev/null
	@.venv-train/bin/python -m zipfile -e $@.part/openwakeword-0.5.1-*.whl $@.part
	@mv $@.part $@

results: VIVAVOCE = $(LIMIT) $(RESULTS_BUDGET) .venv-train/bin/vivavoce
results: .venv-train/.installed
	$(VIVAVOCE) train evaluate --data $(DATA) --split test --floats $(WORK) --out results
	$(LIMIT) $(BENCH_BUDGET) .venv-train/bin/python tests/bench/decision_delay.py --data $(DATA)
	$(LIMIT) $(BENCH_BUDGET) .venv-train/bin/python tests/bench/operators.py --data $(DATA)
	$(MAKE) limits

tables: .venv-train/.installed
	$(LIMIT) $(RUN_BUDGET) .venv-train/bin/python -m train.readme_tables

bench: .venv/.installed $(if $(TFLITE_PYTHON),.venv-tflite/.installed)
	$(LIMIT) $(BENCH_BUDGET) .venv/bin/vivavoce bench --out docs/benchmarks/machines/$(NAME).json --page build/bench.html \
		$(if $(TFLITE_PYTHON),--interpreter-python .venv-tflite/bin/python) \
		$(if $(wildcard $(WORK)/*/model_float.tflite),--floats $(WORK))

limits: VIVAVOCE = $(LIMIT) $(RUN_BUDGET) .venv-train/bin/vivavoce
limits: .venv-train/.installed
	$(VIVAVOCE) train frame --out build/limits.json
	$(VIVAVOCE) quantize limits edge/data/bundle --verdicts build/limits.json

bench-peers: .venv/.installed .venv-peers/.installed $(if $(TFLITE_PYTHON),.venv-openwakeword/.installed)
	$(LIMIT) $(BENCH_BUDGET) .venv/bin/python tests/bench/peers.py --data $(DATA) \
		--peer-python .venv-peers/bin/python \
		$(if $(TFLITE_PYTHON),--openwakeword-python .venv-openwakeword/bin/python)

bench-paired: .venv-train/.installed .venv-peers/.installed
	$(LIMIT) $(BENCH_BUDGET) .venv-train/bin/python tests/bench/paired_wake.py --data $(DATA) \
		--peer-python .venv-peers/bin/python

# ------------------------------------------------------------------------------------------------ aarch64, emulated

# QEMU_AARCH64 names the emulator. It must take plugins: that of Debian 12 does; later ones are linked statically, and
# do not. On two x86-64 cores, fetching took 60 s, and compiling the kernels 50 s for each processor.
ARM_PACKAGES := qemu-user debootstrap fakeroot debian-archive-keyring gcc libc6-dev
ARM_PLATFORMS := $(foreach glibc,manylinux_2_35 manylinux_2_34 manylinux_2_28 manylinux_2_27 manylinux2014,--platform $(glibc)_aarch64)
QEMU_AARCH64 ?= qemu-aarch64
export QEMU_AARCH64

arm: .venv/.installed build/arm/.debian build/arm/.site build/arm/.site-tflite build/arm/insn_count.so
	@$(if $(findstring --check,$(ARM_ARGS)),:,$(LIMIT) $(ARM_BUDGET) .venv/bin/python tests/arm/count_frontend.py)
	@$(LIMIT) $(ARM_BUDGET) .venv/bin/python tests/arm/count.py $(ARM_ARGS)

arm-tests: .venv/.installed build/arm/.debian build/arm/.site build/arm/.site-tflite build/arm/.site-test
	@$(LIMIT) $(ARM_TESTS_BUDGET) .venv/bin/python tests/arm/suite.py $(ARM_ARGS)

build/arm/.tools:
	@mkdir -p build/arm
	@$(call debian,command -v $(QEMU_AARCH64) && command -v debootstrap && command -v fakeroot && \
		command -v dpkg-deb && command -v gcc,$(ARM_PACKAGES))
	@$(QEMU_AARCH64) -h | grep -q -e -plugin || { \
		echo "make: $(QEMU_AARCH64) takes no plugins; name one that does: make QEMU_AARCH64=path arm" >&2; exit 1; }
	@touch $@

build/arm/.debian: tests/arm/sysroot.sh | build/arm/.tools
	@echo "fetching the arm64 system into build/arm/root (once)"
	@$(LIMIT) $(INSTALL_BUDGET) sh tests/arm/sysroot.sh build/arm/root
	@touch $@

# $(call arm_wheels,folder,requirements): wheels for a board; nothing of them runs on this machine. They are the packages
# of a device, without those of its pins (spidev is published as source only, and its daemon's panel is not counted).
define arm_wheels
	@echo "fetching arm64 packages into $(1) (once)"
	@rm -rf $(1)
	@$(LIMIT) $(INSTALL_BUDGET) .venv/bin/python -m pip install -qq --disable-pip-version-check --no-input --no-deps \
		--no-compile --only-binary=:all: --python-version 311 $(ARM_PLATFORMS) --target $(1) $(2) </dev/null
	@touch $@
endef

build/arm/.site: constraints/device-litert.txt constraints/peers.txt | build/arm/.tools .venv/.installed
	$(call arm_wheels,build/arm/site,$$(grep -h '^[^#]' constraints/device-litert.txt | grep -v '^spidev==') \
		$$(grep '^pymicro-' constraints/peers.txt))

# What tflite-runtime needs otherwise than LiteRT, to be found before it; the rest is the same in both.
build/arm/.site-tflite: constraints/device-tflite.txt | build/arm/.tools .venv/.installed
	$(call arm_wheels,build/arm/site-tflite,$$(grep -E '^(numpy|tflite-runtime)==' constraints/device-tflite.txt))

# What the tests need beside.
build/arm/.site-test: constraints/test.txt | build/arm/.tools .venv/.installed
	$(call arm_wheels,build/arm/site-test,$$(grep -E '^(hypothesis|iniconfig|packaging|pluggy|pytest|scipy|sortedcontainers)==' \
		constraints/test.txt))

build/arm/insn_count.so: tests/arm/insn_count.c | build/arm/.tools
	@gcc -Wall -Wextra -Werror -O2 -fPIC -fvisibility=hidden -shared $< -o $@

# ------------------------------------------------------------------------------------------------ Cortex-M, emulated

FIRMWARE_PACKAGES := gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm

firmware: .venv-train/.installed
	@$(call debian,command -v arm-none-eabi-gcc && command -v qemu-system-arm && \
		arm-none-eabi-gcc --specs=rdimon.specs -xc -E /dev/null,$(FIRMWARE_PACKAGES))
	@$(LIMIT) $(FIRMWARE_BUDGET) .venv-train/bin/python tests/firmware/prove.py --data $(DATA)

bench-frontend: .venv-bench/.installed
	$(LIMIT) $(BENCH_BUDGET) .venv-bench/bin/python tests/bench/frontend.py

bench-scale: .venv-scale/.installed
	$(LIMIT) $(BENCH_BUDGET) .venv-scale/bin/python tests/bench/scale.py --data $(DATA)

bench-daemon: .venv-train/.installed
	for bench in daemon_latency daemon_faults socket_frames wyoming_frames store_faults update_faults service_unit \
		own_playback replay_memory drift soak link_faults; do \
		$(LIMIT) $(DAEMON_BUDGET) .venv-train/bin/python tests/bench/$$bench.py || exit 1; done

bench-startup: .venv/.installed .venv-peers/.installed
	$(LIMIT) $(BENCH_BUDGET) .venv/bin/python tests/bench/startup.py --peer-python .venv-peers/bin/python

clean:
	rm -rf .venv .venv-dev .venv-train .venv-py* .venv-scale .venv-tflite .venv-peers .venv-openwakeword .venv-bench build/lib build/bdist.* build/arm dist vivavoce.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find edge train quantize firmware_bridge tests -name __pycache__ -type d -prune -exec rm -rf {} +
