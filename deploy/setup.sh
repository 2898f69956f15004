#!/bin/sh
# Makes a checkout ready: Debian packages, npm packages, the addon, the BPF objects, the bundles.
#
#   sh deploy/setup.sh         what the build needs
#   sh deploy/setup.sh demo    the same, for `npm run demo`
#   sh deploy/setup.sh test    the same and the tools that the tests call, for `npm test`
#
# Plain POSIX shell, since it runs before anything is installed but git, curl, Node and npm. One line
# per step that has something to do; a checkout that is ready passes without a word. Safe to repeat,
# and to run twice at once. Nothing prebuilt is downloaded: addon and programs are compiled here.
set -eu

cd "$(dirname "$0")/.."
mode=${1:-build}
log=build/setup.log

say() {
	printf 'setup: %s\n' "$*" >&2
}

fail() {
	say "$*"
	exit 1
}

case $mode in
build | demo | test) ;;
*) fail "unknown mode '$mode': use none, demo or test" ;;
esac

[ "$(uname -s)" = Linux ] || fail "Fairlead builds on Linux only; this is $(uname -s)"
command -v node >/dev/null || fail "no 'node' in PATH: install Node 20.19 or newer"
command -v npm >/dev/null || fail "no 'npm' in PATH: install the npm that belongs to this Node"
node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' ||
	fail "Node $(node --version) is too old: install 20.19 or newer"

mkdir -p build

# One setup at a time: the descriptor, and the lock with it, ends with this shell.
exec 9>build/setup.lock
if command -v flock >/dev/null && ! flock -n 9; then
	say 'another setup is at work here: waiting for it'
	flock 9
fi

# run WHAT COMMAND...: hides the output of COMMAND unless it fails.
run() {
	what=$1
	shift
	say "$what"
	if ! "$@" >"$log" 2>&1 9>&-; then
		tail -n 40 "$log" >&2
		fail "failed: $* (all of its output: $log)"
	fi
}

# ---- Debian packages ---------------------------------------------------------------------------

have_package() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

have_candidate() {
	apt-cache policy "$1" 2>/dev/null | grep -q '^  Candidate: [^(]'
}

# either A B: A where this Debian has it, else B (asked only while neither is installed).
either() {
	if have_package "$1" || { ! have_package "$2" && have_candidate "$1"; }; then
		echo "$1"
	else
		echo "$2"
	fi
}

# The packages of this mode that are not installed. clang: 19 is what we develop with, 14 the oldest
# that compiles the programs; a Debian release older than 12.9 offers only the latter.
missing_packages() {
	wanted='ca-certificates g++ make python3 pkg-config libelf-dev zlib1g-dev dpkg-dev xz-utils'
	wanted="$wanted $(either clang-19 clang) iproute2"
	if [ "$mode" = test ]; then
		wanted="$wanted $(either clang-format-19 clang-format) bpftool nftables musl-tools"
		wanted="$wanted bind9-dnsutils curl openssl procps"
	fi
	for package in $wanted; do
		have_package "$package" || printf '%s ' "$package"
	done
}

install_packages() {
	missing=$(missing_packages)
	[ -n "$missing" ] || return 0
	[ "$(id -u)" = 0 ] || fail "packages are missing, and only root can install them: apt-get install $missing"
	run 'apt-get update' apt-get update -q
	missing=$(missing_packages)
	# shellcheck disable=SC2086 # one word per package
	run "apt-get install $missing" env DEBIAN_FRONTEND=noninteractive \
		apt-get install -q -y --no-install-recommends $missing
}

if command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; then
	install_packages
else
	say "no dpkg here: see to a C++20 compiler, clang, libelf and zlib headers yourself"
fi

# ---- npm packages ------------------------------------------------------------------------------

# The stamp lies inside node_modules, so that it goes where they go.
stamp=node_modules/.fairlead-lockfile
lockfile=$(sha256sum package-lock.json | cut -d ' ' -f 1)
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$lockfile" ]; then
	run 'npm ci' npm ci --ignore-scripts --include=dev --no-audit --no-fund --loglevel=error
	echo "$lockfile" >"$stamp"
fi

# ---- what is built here ------------------------------------------------------------------------
# Each build knows by content whether it has something to do, says so in a line, and is quiet else.

for build in native bpf agent; do
	node "$build/build.mjs" 9>&- || fail "failed: node $build/build.mjs"
done
