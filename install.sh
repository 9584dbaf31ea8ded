#!/bin/sh
# Builds mero from this checkout and installs the one binary that it is.
set -eu

usage() {
	cat <<USAGE
usage: ./install.sh [--prefix DIR] [--uninstall]

Builds mero with the Go toolchain and installs it as DIR/bin/mero.

  --prefix DIR   where to install; default: /usr/local for root, else ~/.local
  --uninstall    remove DIR/bin/mero; what nodes have stored stays
  --help         this text
USAGE
}

fail() {
	printf 'install.sh: %s\n' "$1" >&2
	exit "${2:-1}"
}

prefix=
uninstall=no
while [ $# -gt 0 ]; do
	case $1 in
	--prefix)
		[ $# -ge 2 ] || fail "--prefix needs a directory" 2
		prefix=$2
		shift
		;;
	--prefix=*) prefix=${1#--prefix=} ;;
	--uninstall) uninstall=yes ;;
	-h | --help)
		usage
		exit 0
		;;
	*)
		usage >&2
		fail "unknown argument: $1" 2
		;;
	esac
	shift
done

if [ -z "$prefix" ]; then
	if [ "$(id -u)" -eq 0 ]; then
		prefix=/usr/local
	else
		[ -n "${HOME:-}" ] || fail "HOME is not set: name a directory with --prefix"
		prefix=$HOME/.local
	fi
fi
# The build runs elsewhere, so the directory must not depend on where we are.
case $prefix in
/*) ;;
*) prefix=$(pwd)/$prefix ;;
esac
bin=$prefix/bin
target=$bin/mero

if [ "$uninstall" = yes ]; then
	if [ -e "$target" ] || [ -L "$target" ]; then
		rm -f "$target" || fail "cannot remove $target"
		echo "removed $target; what nodes have stored (by default in ~/.mero) is still there"
	else
		echo "nothing to remove: there is no $target"
	fi
	exit 0
fi

cd "$(dirname "$0")"
[ -f go.mod ] && [ -d cmd/mero ] || fail "run it from a checkout of mero: there is no cmd/mero beside it"

# numbers VERSION: 1.26.8 as 1026008, so that versions compare as numbers.
numbers() {
	echo "$1" | sed 's/[^0-9.].*//' | awk -F. '{ printf "%d%03d%03d", $1, $2, $3 }'
}

need=$(sed -n 's/^go \([0-9.]*\).*/\1/p' go.mod)
command -v go >/dev/null 2>&1 || fail "mero is built with Go $need or later, and there is no go on PATH; get it from https://go.dev/dl/"
# GOTOOLCHAIN=local: the version that is installed, not one that would be downloaded.
have=$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null | sed 's/^go//')
[ -n "$have" ] || have=$(cd / && GOTOOLCHAIN=local go version | sed 's/^go version go\([^ ]*\).*/\1/')
if [ "$(numbers "$have")" -lt "$(numbers "$need")" ]; then
	fail "mero is built with Go $need or later, and this is Go $have; get a newer one from https://go.dev/dl/"
fi

mkdir -p "$bin" 2>/dev/null || fail "cannot make $bin: name another directory with --prefix"
[ -w "$bin" ] || fail "cannot write to $bin: name another directory with --prefix"
# Built beside its place and then renamed: a mero that runs is not disturbed, and a failed build leaves the old one.
new=$bin/.mero.new.$$
trap 'rm -f "$new"' EXIT
trap 'exit 130' INT TERM
echo "building mero with Go $have (a first build takes a minute or more)"
# The checkout may belong to somebody else, as under sudo: git would refuse to tell Go the revision.
GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=$(pwd)
export GIT_CONFIG_COUNT GIT_CONFIG_KEY_0 GIT_CONFIG_VALUE_0
CGO_ENABLED=0 go build -trimpath -tags urfave_cli_no_docs -ldflags '-s -w' -o "$new" ./cmd/mero || fail "the build failed; nothing was installed"
mv -f "$new" "$target"
echo "installed $target"

case ":$PATH:" in
*":$bin:"*) ;;
*)
	echo "$bin is not on PATH; add it with:"
	echo "  export PATH=\"$bin:\$PATH\""
	;;
esac
found=$(command -v mero 2>/dev/null || true)
if [ -n "$found" ] && [ "$found" != "$target" ]; then
	echo "note: \`mero\` still means $found, which comes first on PATH"
fi
