# What the shell scripts share. Sourced with the root of the repository as working directory.
# shellcheck shell=bash

say() { echo "casement: $*"; }

die() {
    echo "casement: $*" >&2
    exit 1
}

# failed LOG MESSAGE: the end of the log, then the message.
failed() {
    echo "---- end of $1" >&2
    tail -n 40 "$1" >&2
    echo "----" >&2
    die "$2"
}

# The hash of every file below the folders and of their names; the same tree, the same hash.
tree_hash() {
    find "$@" -name node_modules -prune -o -name dist -prune -o -type f -print0 | LC_ALL=C sort -z |
        xargs -0 sha256sum | sha256sum | cut -d' ' -f1
}

# configure DIR COMPILER ARGUMENT…: a meson build folder set up with exactly these; again when they changed.
configure() {
    local dir=$1 compiler=$2
    shift 2
    local wanted="CC=$compiler $*" stamp=$dir/casement-configured
    if [ -f "$dir/build.ninja" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    rm -rf "$dir"
    if command -v ccache >/dev/null; then
        compiler="ccache $compiler"
    fi
    CC=$compiler meson setup "$dir" "$@"
    echo "$wanted" >"$stamp"
}

# How a release is built; ./bench measures the same. Optimised over the borders of files: readers,
# writers and slices are calls otherwise, several for each packet.
release_options=(--buildtype=release -Dtests=false -Db_pie=true -Db_lto=true
    "-Dc_link_args=-Wl,-z,relro,-z,now")

# The release folder is the same for ./run and for ./test, so that neither builds twice.
configure_release() {
    configure build/release gcc "${release_options[@]}"
}
