# container-security: see `make help`.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
WASM_TARGET := wasm32-wasip1
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
MODULE := $(TARGET_DIR)/$(WASM_TARGET)/release/container_security.wasm
HOST := $(TARGET_DIR)/debug/container-security
BENCH := $(TARGET_DIR)/debug/container-security-bench

# Messages of panics name files of the dependencies. Without the home of cargo in their paths, the
# same source gives the same bytes to everyone.
export CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS := \
  --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=/cargo

# Everything that runs on this machine is selected by the same words and built in the same
# profile, so that its dependencies are compiled once. The guests of the bench are modules only.
NATIVE := --locked --workspace --exclude bench-skip-only --exclude bench-sdk-style
# One test among them, because tests turn on features of crates that wasmtime uses too: without
# it, the tests and the bench would each have a wasmtime of their own.
PROGRAMS := $(NATIVE) --bins --test metadata
# What judges the examples needs no registries, and is ready long before their clients are.
WITHOUT_REGISTRIES := --locked --package container-security-cli --no-default-features

.PHONY: help
help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z.-]+:.*## / { printf "  make %-21s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: policy.wasm host ## Judge the examples and print each verdict
	examples/run $(HOST) policy.wasm

.PHONY: test
test: docker-registry lint policy.wasm ## Run everything that CI runs
	$(CARGO) test $(NATIVE)
	$(CARGO) test $(WITHOUT_REGISTRIES) --lib
	$(CARGO) build $(PROGRAMS)
	$(BENCH) --check
	@$(MAKE) --no-print-directory fuzz-smoke

policy.wasm: toolchain FORCE ## Build the policy's WebAssembly module
	$(CARGO) build --locked --release --target $(WASM_TARGET) --package container-security
	@cmp --silent $(MODULE) $@ || cp $(MODULE) $@
	@if command -v sha256sum > /dev/null; then sha256sum $@; else shasum --algorithm 256 $@; fi

.PHONY: reproducible
reproducible: policy.wasm ## Build the module again in another folder and compare the bytes
	.ci/reproducible

annotated-policy.wasm: policy.wasm host ## Build the module that policy servers load
	$(HOST) annotate --usage-path USAGE.md --output-path $@ policy.wasm

.PHONY: publish
publish: needs-REF annotated-policy.wasm host-with-registries ## Push it: REF=registry/repository:tag [INSECURE=1 for plain HTTP]
	$(HOST) push $(if $(INSECURE),--insecure) annotated-policy.wasm '$(REF)'

.PHONY: pull-check
pull-check: needs-REF host-with-registries ## Pull a policy and judge the examples with it: REF=... [INSECURE=1]
	$(HOST) pull $(if $(INSECURE),--insecure) --output-path $(TARGET_DIR)/pulled-policy.wasm '$(REF)'
	examples/run $(HOST) $(TARGET_DIR)/pulled-policy.wasm

.PHONY: docs
docs: host ## Write what the documents, the schema and Rancher's form say of the settings
	$(HOST) docs
	@$(MAKE) --no-print-directory artifacthub

.PHONY: messages
messages: ## Write docs/messages.md, the table of all messages
	UPDATE_DOCS=1 $(CARGO) test --locked --package container-security --test messages

.PHONY: artifacthub
artifacthub: host ## Write artifacthub-pkg.yml
	$(HOST) artifacthub $(addprefix --questions-path ,$(wildcard questions-ui.yml))

.PHONY: e2e
e2e: e2e-tools annotated-policy.wasm ## Compare with kwctl and policy-server, which must be on the PATH
	$(CARGO) build $(PROGRAMS) --example e2e
	$(TARGET_DIR)/debug/examples/e2e

.PHONY: e2e-tools
e2e-tools:
	@missing=; for tool in kwctl policy-server docker-registry; do \
	  command -v $$tool > /dev/null || missing+=" $$tool"; \
	done; \
	[[ -z $$missing ]] || { echo "make e2e needs on the PATH:$$missing" >&2; exit 1; }

KUBECTL_YAML := $(abspath $(TARGET_DIR))/kubectl-yaml
.PHONY: kubectl-yaml
kubectl-yaml: toolchain ## Record how kubectl reads YAML, and compare 100,000 inputs (INPUTS=...); needs Go
	cd tests/kubectl-yaml && go build -o '$(KUBECTL_YAML)' . && '$(KUBECTL_YAML)' table.jsonl
	$(CARGO) test $(NATIVE) --test kubectl_yaml
	$(CARGO) build $(PROGRAMS) --example kubectl_yaml
	$(TARGET_DIR)/debug/examples/kubectl_yaml '$(KUBECTL_YAML)' $${INPUTS:-100000} $${SEED:-1}

ORACLE := $(abspath $(TARGET_DIR))/oracle
.PHONY: oracle
oracle: policy.wasm ## Compare with Pod Security Admission on 1,000,000 pods (PODS=...); needs Go
	cd tests/oracle && go build -o '$(ORACLE)' .
	CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
	  $(CARGO) build --release --locked --package container-security-host --example oracle
	$(TARGET_DIR)/release/examples/oracle '$(ORACLE)' policy.wasm $${PODS:-1000000} $${SEED:-1}
	$(CARGO) test $(NATIVE) --test oracle

CLUSTER := $(abspath $(TARGET_DIR))/cluster
.PHONY: cluster
cluster: cluster-needs annotated-policy.wasm host cluster-programs ## Try the policy on a real API server (ONLY=regexp); needs Go and policy-server
	'$(CLUSTER)/runner' -programs '$(CLUSTER)/bin' -folder '$(CLUSTER)/run' -module annotated-policy.wasm \
	  -command '$(HOST)' $(if $(ONLY),-only '$(ONLY)') $(if $(RECORD),-record tests/cluster/recorded.jsonl) $(if $(DOCS),-docs docs/cluster.md)

.PHONY: cluster-load
cluster-load: cluster-needs annotated-policy.wasm host cluster-programs ## Measure what the policy costs an API server (OFFICIAL=folder with Kubewarden's); takes 10 minutes
	$(CARGO) build --locked --release --target $(WASM_TARGET) --package bench-skip-only
	$(HOST) annotate --output-path '$(CLUSTER)/accept.wasm' $(TARGET_DIR)/$(WASM_TARGET)/release/bench_skip_only.wasm
	'$(CLUSTER)/runner' load -programs '$(CLUSTER)/bin' -folder '$(CLUSTER)/load' -module annotated-policy.wasm \
	  -command '$(HOST)' -accept '$(CLUSTER)/accept.wasm' $(if $(OFFICIAL),-official '$(OFFICIAL)') \
	  -rounds $(or $(ROUNDS),8) -pods $(or $(PODS),120) $(if $(DOCS),-docs docs/sizing.md)

# What is missing is said before anything is built for long.
.PHONY: cluster-needs
cluster-needs:
	@command -v go > /dev/null || { echo 'go is missing: install Go 1.26 or later, see https://go.dev/dl' >&2; exit 1; }
	cd tests/cluster && go build -o '$(CLUSTER)/runner' .
	@'$(CLUSTER)/runner' -needs

.PHONY: cluster-programs
cluster-programs: ## Build etcd, Kubernetes and kwok for make cluster (takes 15 minutes once); needs Go
	tests/cluster/build '$(CLUSTER)/bin'

# Cargo.toml has the version; everything else that carries it follows.
.PHONY: version
version: needs-VERSION ## Give everything a new version: VERSION=1.2.3
	.ci/version '$(VERSION)'
	$(MAKE) artifacthub

# A variable that has no default.
needs-%:
	@: $(or $($*),$(error $*=... is missing, see `make help`))

.PHONY: host
host: toolchain ## Build the command line that judges manifests, without registries
	$(CARGO) build $(WITHOUT_REGISTRIES)

.PHONY: host-with-registries
host-with-registries: toolchain ## Build all of the command line
	$(CARGO) build --locked --package container-security-cli

.PHONY: fmt
fmt: ## Format all code
	$(CARGO) fmt --all
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml

.PHONY: lint
lint: toolchain ## Check format and lints
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) clippy $(NATIVE) --lib --bins --tests --examples -- --deny warnings
	$(CARGO) clippy $(WITHOUT_REGISTRIES) --lib --bins -- --deny warnings
	$(CARGO) clippy --locked --release --target $(WASM_TARGET) --package container-security \
	  --package bench-skip-only --package bench-sdk-style -- --deny warnings
# A browser has no files and no engine either.
	$(CARGO) clippy --locked --release --target $(WASM_TARGET) --package container-security-text -- --deny warnings

.PHONY: soak
soak: policy.wasm ## Judge 100,000 requests on several threads and print the figures
	SOAK_REQUESTS=$${SOAK_REQUESTS:-100000} $(CARGO) test $(NATIVE) --test soak -- --nocapture

# What the quick tests do not notice goes through all of them.
.PHONY: mutants
mutants: cargo-mutants ## Change the policy in some thousand ways and see which test notices (takes an hour)
	rm -rf mutants.out
	$(MUTANTS) --cargo-arg=--lib --cargo-arg=--test=cases --cargo-arg=--test=image_references \
	  --cargo-arg=--test=supply_chain || (( $$? == 2 || $$? == 3 ))
	$(MUTANTS) --iterate

MUTANTS := $(CARGO) mutants --package container-security --jobs 2

# Dependencies of host and bench come in several versions, because wasmtime, oci-client and sigstore do
# not agree on theirs. What becomes part of the module may not.
.PHONY: audit
audit: cargo-deny ## Check licences, versions, sources and advisories of all dependencies
	$(DENY) --workspace check --hide-inclusion-graph --allow duplicate bans licenses sources
	$(DENY) --exclude-dev --target $(WASM_TARGET) check --hide-inclusion-graph bans
	@$(DENY) fetch db || { \
	  echo 'audit: advisories were NOT checked, because their database cannot be reached; the rest is in order' >&2; \
	  exit 1; }
	$(DENY) --workspace check --disable-fetch --hide-inclusion-graph advisories

DENY := $(CARGO) deny --locked

.PHONY: fuzz
fuzz: ## Run each fuzz target for a million executions (RUNS=...); needs cargo-fuzz
	$(FUZZ_BUILD)
	@for target in $(FUZZ_TARGETS); do $(call fuzz_run,$$target,-runs=$${RUNS:-1000000}); done

# Ten seconds for each target find what is broken outright.
.PHONY: fuzz-smoke
fuzz-smoke:
	@if ! cargo-fuzz --version > /dev/null 2>&1; then \
	  echo 'the fuzz targets are not run: cargo install --locked cargo-fuzz'; \
	else \
	  $(FUZZ_BUILD); \
	  for target in $(FUZZ_TARGETS); do $(call fuzz_run,$$target,-max_total_time=10); done; \
	fi

FUZZ_TARGETS := payload pods settings references host_answers
# The policy has no unsafe code for a sanitizer to watch, and without one any toolchain will do that
# is told to take the fuzzer's flags.
FUZZ_BUILD = RUSTC_BOOTSTRAP=1 $(CARGO) fuzz build --sanitizer none --codegen-units 16
# What is found goes to a folder that is not in the repository; the corpus there is read only.
fuzz_run = mkdir -p fuzz/artifacts fuzz/target/corpus/$(1) && \
  fuzz/target/$$(rustc -vV | sed -n 's/^host: //p')/release/$(1) -dict=fuzz/words.dict \
  -artifact_prefix=fuzz/artifacts/ -verbosity=0 -print_final_stats=1 $(2) \
  fuzz/target/corpus/$(1) fuzz/corpus/$(1)

.PHONY: bench
bench: toolchain ## Measure again and write docs/benchmarks.md (takes minutes)
	$(CARGO) run --locked --release --package container-security-bench

.PHONY: clean
clean: ## Remove what was built
	$(CARGO) clean
	rm -f policy.wasm annotated-policy.wasm

# rustup is needed only where something is missing.
.PHONY: toolchain
toolchain:
	@command -v $(CARGO) > /dev/null || { \
	  echo 'cargo is missing: install Rust 1.95 or later, see https://rustup.rs' >&2; exit 1; }
	@if [[ ! -d $$(rustc --print target-libdir --target $(WASM_TARGET)) ]]; then \
	  command -v rustup > /dev/null || { \
	    echo 'the Rust target $(WASM_TARGET) is missing, and so is rustup to add it: see https://rustup.rs' >&2; \
	    exit 1; }; \
	  rustup target add $(WASM_TARGET); \
	fi

# The tests push images to a registry of their own. Debian's package wants to start a service and to
# ask questions; it may do neither.
.PHONY: docker-registry
docker-registry:
	@command -v docker-registry > /dev/null || { \
	  if command -v apt-get > /dev/null && [[ $$(id -u) == 0 ]]; then \
	    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1; \
	    apt-get update --quiet && \
	      apt-get install --yes --quiet --no-install-recommends docker-registry < /dev/null; \
	  else \
	    echo 'docker-registry is missing: install it, on Debian and Ubuntu with: apt-get install docker-registry' >&2; \
	    exit 1; \
	  fi; }

.PHONY: cargo-deny cargo-mutants
cargo-deny cargo-mutants:
	@command -v $@ > /dev/null || { \
	  echo '$@ is missing: install it with: $(CARGO) install --locked $@' >&2; exit 1; }

.PHONY: FORCE
FORCE:
