#!/usr/bin/env bash
# Makes the environment when there is none, then trains or tests in it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# What was installed, each written after the fact: a part without its stamp is installed again.
readonly PACKAGES_STAMP=.venv/packages PROJECT_STAMP=.venv/project

usage() {
  cat <<'TEXT'
usage: ./launch.sh --config=configs/quickstart.py [FLAG…]   train, evaluate, write the report
       ./launch.sh --processes=2 --config=…                 the same in two processes
       ./launch.sh test [PYTEST ARGUMENT…]                  run the test suite
       ./launch.sh env                                      make the environment only

Each makes the environment (.venv) first if it is missing or out of date. It needs Python
3.11 to 3.13 (PYTHON=/path/to/python picks one) and a package registry that pip can reach.
Relative paths, as in --config, start from the folder that holds launch.sh.
All flags of training: ./launch.sh --config=configs/quickstart.py --help
TEXT
}

fail() {
  printf 'error: %s\n' "$1" >&2
  exit 1
}

# Prints the version of the Python $1 and, on a second line, the interpreter behind it; fails if
# the project does not support it.
describe() {
  "$1" -c '
import sys
if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    sys.exit(1)
print(*sys.version_info[:2], sep=".")
print(sys._base_executable)' 2>/dev/null
}

# The Python that an environment has already comes first: it is kept across launches.
describe_first_usable() {
  local candidates=(.venv/bin/python python3 python3.13 python3.12 python3.11) candidate
  if [[ -n ${PYTHON:-} ]]; then candidates=("$PYTHON"); fi
  for candidate in "${candidates[@]}"; do
    if describe "$candidate"; then return; fi
  done
  fail "no Python 3.11, 3.12 or 3.13 among: ${candidates[*]}. Install one, or name it with PYTHON=/path/to/python."
}

# Makes .venv with the interpreter $1 and installs the pinned packages in it.
install_packages() {
  "$1" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$1 cannot make environments. Install its venv module (on Debian and Ubuntu: python3-venv)."
  echo "making the environment in .venv: a few minutes and 2.5 GB, once" >&2
  "$1" -m venv --clear .venv || fail "no environment can be made in $PWD/.venv (see above)."
  # Python compiles what it imports; all that is there would take a minute and more.
  pip_install --no-compile --require-hashes -r requirements.lock ||
    fail "the packages of requirements.lock were not installed (see above). Check that pip reaches a package registry and that the disk has 3 GB free, then launch again."
}

install_project() {
  pip_install --no-deps --no-build-isolation --editable . ||
    fail "the project itself was not installed (see above)."
}

pip_install() {
  .venv/bin/python -m pip --quiet --no-input --disable-pip-version-check install "$@"
}

# Runs the command $3… unless the stamp $1 says that this was done for $2.
once() {
  if [[ -f $1 && $(<"$1") == "$2" ]]; then return; fi
  rm -f "$1"
  "${@:3}"
  echo "$2" >"$1"
}

ensure_environment() {
  local description version base
  description=$(describe_first_usable)
  version=${description%%$'\n'*}
  base=${description#*$'\n'}
  # Scripts in an environment hold its place, so one that was moved is made again.
  once "$PACKAGES_STAMP" "$version $PWD $(cksum <requirements.lock)" install_packages "$base"
  once "$PROJECT_STAMP" "$(cksum <pyproject.toml)" install_project
}

# One launch at a time makes the environment; a second one waits and then finds it finished.
environment() {
  (
    if command -v flock >/dev/null; then flock 9; fi
    ensure_environment
  ) 9<requirements.lock
}

case ${1:-} in
  -h | --help) usage ;;
  env) environment ;;
  test)
    environment
    # Hundreds of processes import the same modules: what Python makes of their sources is kept.
    unset PYTHONDONTWRITEBYTECODE
    # A worker per core, up to 8, each with 2 GB at the most; whole files, for what their tests share,
    # in the order of conftest.py.
    exec .venv/bin/python -m pytest --numprocesses=logical --maxprocesses=8 --dist=loadfile \
      --no-loadscope-reorder "${@:2}"
    ;;
  -*)
    environment
    # Large pages for large arrays: a fifth faster on Linux. It must be said before the start.
    export GLIBC_TUNABLES=${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1}
    exec .venv/bin/python -m sgan_jax.main "$@"
    ;;
  *)
    usage >&2
    exit 2
    ;;
esac
