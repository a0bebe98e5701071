#!/bin/sh
# What proto/h264 and proto/fmp4 make of a real stream, judged by ffprobe and ffmpeg.
# Usage: fmp4.sh PATH_OF_fmp4_e2e. Ends with 77 (skipped) where ffmpeg is missing.
set -eu
program=$1
command -v ffmpeg >/dev/null && command -v ffprobe >/dev/null || { echo "no ffmpeg"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "fmp4.sh: $1" >&2; exit 1; }

# check NAME SIZE RATE FRAMES X264_ARGUMENTS...
check() {
    name=$1 size=$2 rate=$3 frames=$4
    shift 4
    ffmpeg -nostdin -v error -f lavfi -i "testsrc=size=$size:rate=$rate" -frames:v "$frames" \
        -c:v libx264 -bf 0 -g 20 -threads 1 "$@" -f h264 "$dir/$name.h264"
    ticks=$((90000 / rate))
    said=$("$program" "$dir/$name.h264" "$dir/$name.mp4" "$ticks")
    echo "$name: $said"
    case $said in
    "$frames units, $(((frames + 19) / 20)) keyframes, "*" $size") ;;
    *) fail "$name: expected $frames units, a keyframe in 20, $size" ;;
    esac

    # Every picture, in order, at its time, keyframes where they are.
    ffprobe -v error -select_streams v -show_entries packet=pts,dts,duration,flags -of csv=p=0 \
        "$dir/$name.mp4" >"$dir/$name.got"
    awk -v n="$frames" -v t="$ticks" 'BEGIN { for (i = 0; i < n; i++)
        printf "%d,%d,%d,%s\n", i * t, i * t, t, i % 20 == 0 ? "K_" : "__" }' >"$dir/$name.want"
    cmp -s "$dir/$name.got" "$dir/$name.want" || {
        diff "$dir/$name.got" "$dir/$name.want" | head -5
        fail "$name: packets differ"
    }

    # Decodes without a word, to the very pictures of the stream itself.
    ffmpeg -nostdin -v warning -i "$dir/$name.mp4" -f framemd5 "$dir/$name.md5" 2>"$dir/$name.err"
    [ ! -s "$dir/$name.err" ] || { cat "$dir/$name.err"; fail "$name: ffmpeg complains"; }
    ffmpeg -nostdin -v error -i "$dir/$name.h264" -f framemd5 "$dir/$name.raw.md5"
    for f in md5 raw.md5; do
        awk -F, '!/^#/ { gsub(/ /, ""); print $NF }' "$dir/$name.$f" >"$dir/$name.$f.sums"
    done
    [ "$(wc -l <"$dir/$name.md5.sums")" -eq "$frames" ] || fail "$name: pictures are missing"
    cmp -s "$dir/$name.md5.sums" "$dir/$name.raw.md5.sums" || fail "$name: pictures differ"
}

check baseline 320x240 20 65 -profile:v baseline -pix_fmt yuv420p
check high 1280x720 20 45 -profile:v high -pix_fmt yuv420p -b:v 2M
check slices 640x360 25 41 -pix_fmt yuv420p -x264-params slices=4:aud=1
check cropped 642x362 10 21 -pix_fmt yuv420p
