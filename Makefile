# swage: make run, make test. Everything else is listed by `make help`.
SHELL := /bin/bash
BUILD := .build/release
SWAGE := $(BUILD)/swage
export SWIFT_BACKTRACE = enable=no

.PHONY: help setup build run run-digits test unit processors lint differential malformed errors parity control objects ml single numerics contrib models fuzz fuzz-quick fuzz-onnxruntime conformance operators peers bench bench-quick bench-diffusion clean

help: ## lists the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

setup: ## installs the Debian packages that the build needs, where they are missing
	@scripts/setup.sh

build: setup ## makes the release build
	swift build -c release --product swage

run: build ## compiles the shipped emoji checkpoint, makes a picture from a prompt, shows it and the time of each stage
	@scripts/run.sh $(SWAGE)

run-digits: build ## compiles the shipped digit classifier, shows what each pass did, runs it on a real scan
	@scripts/run-digits.sh $(SWAGE)

test: build lint unit differential malformed errors parity control objects ml conformance fuzz-quick fuzz-onnxruntime ## sets up what the tests need and runs them all

unit: setup ## unit, golden and differential tests in Swift
	swift build -c release --build-tests
	@scripts/swift-test.sh

PRODUCTS := LoweredPanelTests|LoweredProductTests|ProductFormTests
processors: build ## kernels as for other x86 processors: with matrix tiles (AMX, carried out in software), without AVX-512
	swift build -c release --build-tests
	@Tests/Emulation/tiles.sh --or-skip scripts/swift-test.sh --filter '$(PRODUCTS)'
	@Tests/Emulation/tiles.sh --or-skip $(SWAGE) fuzz --seed 2 --count 300
	@SWAGE_CPU_FEATURES=-avx512 scripts/swift-test.sh --filter '$(PRODUCTS)'
	@SWAGE_CPU_FEATURES=-avx512 $(SWAGE) fuzz --seed 3 --count 300

lint: ## checks the formatting
	swift format lint --strict --recursive Sources Tests Package.swift

venv: setup ## makes the Python environment of the tests
	@Tests/Python/setup.sh

differential: build venv ## compares with onnxruntime on models from public packages
	.venv/bin/python Tests/Python/differential.py --swage $(SWAGE)

malformed: build venv ## every malformed file is refused with a diagnostic
	.venv/bin/python Tests/Python/malformed.py --swage $(SWAGE)

errors: build venv ## what is said when files, tensors, flags or the machine are at fault; nothing half-written stays
	.venv/bin/python Tests/Python/errors_test.py --swage $(SWAGE)

parity: build venv ## text to image against diffusers' results, for every scheduler and way to make pictures
	.venv/bin/python Tests/Python/parity.py --swage $(SWAGE)

control: build venv ## loops and scans against onnxruntime
	.venv/bin/python Tests/Python/control.py --swage $(SWAGE)

CONTRIBUTED := .build/contrib/cases
conformance: build venv ## runs the backend tests of the onnx package, compares with what onnxruntime passes, checks docs/operators.md
	.venv/bin/python Tests/Python/conformance.py --swage $(SWAGE) --onnxruntime --report .build/conformance.json --known
	@rm -rf .build/contrib && mkdir -p .build/contrib
	.venv/bin/python Tests/Python/contrib.py --swage $(SWAGE) --target reference --only '^(?!model)' --keep $(CONTRIBUTED)
	.venv/bin/python Tests/Python/operator_page.py --swage $(SWAGE) --report .build/conformance.json --contributed $(CONTRIBUTED) --check

objects: build venv ## strings, sequences, optionals and maps against onnxruntime
	.venv/bin/python Tests/Python/objects.py --swage $(SWAGE)

ml: build venv ## ai.onnx.ml against onnxruntime
	.venv/bin/python Tests/Python/ml_differential.py --swage $(SWAGE)

single: build venv ## single operators over random shapes against onnxruntime
	.venv/bin/python Tests/Python/operators.py --swage $(SWAGE)

numerics: build venv ## edges of the number types against NumPy and onnxruntime
	.venv/bin/python Tests/Python/numerics.py --swage $(SWAGE)
	.venv/bin/python Tests/Python/numerics.py --swage $(SWAGE) --target reference

contrib: build venv ## operators of onnxruntime's own domains, and models that its optimiser and quantiser wrote
	.venv/bin/python Tests/Python/contrib.py --swage $(SWAGE)

models: build venv ## public models of PyPI packages against onnxruntime; writes docs/models.md
	.venv/bin/python Tests/Python/models.py --swage $(SWAGE)

fuzz-quick: build ## 2,000 random graphs
	$(SWAGE) fuzz --seed 1 --count 2000

fuzz-onnxruntime: build venv ## 200 random graphs against onnxruntime
	.venv/bin/python Tests/Python/fuzz_onnxruntime.py --swage $(SWAGE) --count 200

fuzz: build ## 100,000 random graphs through every oracle (an hour on two cores)
	$(SWAGE) fuzz --seed 1 --count 100000 --limit 1000

operators: build venv ## writes docs/operators.md anew
	.venv/bin/python Tests/Python/conformance.py --swage $(SWAGE) --report .build/conformance.json --known
	@rm -rf .build/contrib && mkdir -p .build/contrib
	.venv/bin/python Tests/Python/contrib.py --swage $(SWAGE) --target reference --only '^(?!model)' --keep $(CONTRIBUTED)
	.venv/bin/python Tests/Python/operator_page.py --swage $(SWAGE) --report .build/conformance.json --contributed $(CONTRIBUTED)

peers:
	@Benchmarks/setup.sh

bench: build peers ## times swage against onnxruntime, OpenVINO and torch.compile, interleaved (hours); writes Benchmarks/RESULTS.md
	.venv-bench/bin/python Benchmarks/bench.py --swage $(SWAGE)

bench-quick: build peers ## the same for small models and single operators, one short round: shows that they run
	.venv-bench/bin/python Benchmarks/bench.py --swage $(SWAGE) --suite small --suite micro --quick

bench-diffusion: build peers ## the same for Stable Diffusion 1.4 alone, and its UNet against the machine's limits
	.venv-bench/bin/python Benchmarks/bench.py --swage $(SWAGE) --suite diffusion --suite limits

clean: ## removes what was built
	rm -rf .build
