# shellcheck shell=bash
# Sourced by quickstart.sh and test.sh: what the build needs, and how it is made. Debian 12, Ubuntu 22.04 and newer.

packages=(
  g++ cmake ninja-build pkg-config
  libxsimd-dev                        # vectors in the kernels
  libprotobuf-dev protobuf-compiler   # reading and writing ONNX
  libutf8proc-dev                     # Unicode in the tokenizers
  libsentencepiece-dev                # what the tests compare our reading of its models with
  nlohmann-json3-dev                  # config.json, tokenizer.json, reports
  libcli11-dev                        # the command line
  catch2                              # tests
  libbenchmark-dev                    # benchmarks of single kernels
)

say() { printf '== %s\n' "$*"; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

missing_packages() {
  local package
  for package in "${packages[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || printf '%s\n' "$package"
  done
}

# How to run a command as root: prints nothing for root itself, "sudo" where that works, fails where neither does.
become_root() {
  if [ "$(id -u)" -eq 0 ]; then return 0; fi
  command -v sudo >/dev/null || return 1
  if sudo -n true 2>/dev/null || [ -t 0 ]; then printf 'sudo\n'; else return 1; fi
}

install_packages() {
  command -v dpkg-query >/dev/null || { say "no dpkg here: taking it that the libraries are installed"; return 0; }
  local missing root
  mapfile -t missing < <(missing_packages)
  [ "${#missing[@]}" -gt 0 ] || return 0
  if ! root=$(become_root); then
    printf 'Missing packages. Please run this as root, then start again:\n  apt-get update && apt-get install -y %s\n' \
      "${missing[*]}" >&2
    exit 1
  fi
  say "installing ${missing[*]}"
  $root apt-get update -qq || die "apt-get update failed"
  $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
    die "apt-get install failed: ${missing[*]}"
}

# The presets need CMake 3.21.
check_cmake() {
  local version
  version=$(cmake --version | sed -n '1s/[^0-9]*\([0-9.]*\).*/\1/p')
  [ "$(printf '3.21\n%s\n' "$version" | sort -V | head -n 1)" = 3.21 ] ||
    die "CMake 3.21 or newer is needed, this is $version"
}

# One compiler a CPU, as far as memory goes: one may take 1 GiB.
build_jobs() {
  local cpus gib
  cpus=$(nproc)
  gib=$(awk '/^MemAvailable:/ { print int($2 / 1048576) }' /proc/meminfo)
  [ "${gib:-1}" -ge 1 ] || gib=1
  echo $((cpus < gib ? cpus : gib))
}

# build PRESET [TARGET...]: configures build/PRESET and builds the targets, or everything.
build() {
  local preset=$1 target targets=()
  shift
  for target in "$@"; do targets+=(--target "$target"); done
  check_cmake
  say "configuring build/$preset"
  local log
  log=$(cmake --preset "$preset" 2>&1) || { printf '%s\n' "$log" >&2; die "cmake --preset $preset failed"; }
  say "building (the first time takes a few minutes)"
  cmake --build "build/$preset" --parallel "$(build_jobs)" "${targets[@]}" || die "the build failed"
}
