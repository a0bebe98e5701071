#!/bin/sh
# The server links no codec and no sandbox of one: what decodes is casement-helper alone.
# Usage: no_codec_in_server.sh SERVER HELPER. Ends with 77 (skipped) where there is no server yet.
set -eu
server=$1 helper=$2
codecs='libav|libsw|libturbojpeg|libjpeg|libx264|libseccomp'
[ -x "$helper" ] || { echo "no helper: $helper" >&2; exit 1; }
# The same look at the helper must find them, or it would find nothing anywhere.
for library in libavcodec libswscale libturbojpeg libseccomp; do
    readelf -d "$helper" | grep -q "NEEDED.*\[$library" ||
        { echo "$helper does not need $library: this test sees nothing" >&2; exit 1; }
done
[ -x "$server" ] || { echo "no server: $server"; exit 77; }
if readelf -d "$server" | grep -E "NEEDED.*\[($codecs)"; then
    echo "$server links a codec" >&2
    exit 1
fi
# Nor by way of another library.
if ldd "$server" | grep -E "$codecs"; then
    echo "$server loads a codec" >&2
    exit 1
fi
