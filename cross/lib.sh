# What the scripts of cross/ share. Sourced, never run.
LC_ALL=C
export LC_ALL
here=$(cd "$(dirname "$0")" && pwd)
lock=${LOCK:-$here/deps.lock}

# die WHAT WHY NEXT: one sentence each, so that nobody has to read a script to know what to do.
die() {
    printf '%s: %s\n' "$(basename "$0")" "$1" >&2
    printf '  why:  %s\n  next: %s\n' "$2" "$3" >&2
    exit 1
}

names() { awk '!/^#/ && NF { print $1 }' "$lock"; }

# entry NAME: sets source, version, upstream, tar_sum, debian_sum, patches from the lock; "-" says: no Debian patches.
entry() {
    line=$(awk -v n="$1" '$1 == n' "$lock")
    [ -n "$line" ] || die "$1 is not in $lock" "each third-party part needs one line there" "add the line, or take the recipe away"
    # shellcheck disable=SC2086 # the fields are words without blanks
    set -- $line
    source=$2 version=$3 tar_sum=$4 debian_sum=$5 patches=$6
    upstream=${version#*:}
    upstream=${upstream%-*}
}

# Debian's own file names, so that a cache can also be filled by hand from a mirror.
tar_file() { find "$1" -maxdepth 1 -name "${source}_$upstream.orig.tar.*" ! -name '*.asc' | head -n 1; }
debian_file() { find "$1" -maxdepth 1 -name "${source}_${version#*:}.debian.tar.*" | head -n 1; }

# verify FILE SUM
verify() {
    sum=$(sha256sum "$1" | cut -d ' ' -f 1)
    [ "$sum" = "$2" ] || die "$1 is refused" "its SHA-256 is $sum, cross/deps.lock says $2" \
        "delete that file and run 'make deps'; if Debian really replaced it, 'make deps-update' and review the difference of the lock"
}
