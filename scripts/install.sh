#!/bin/sh
# Installs ironclaw for the user who runs it: finds the platform, downloads the newest release, verifies who signed it and that it came
# whole, and puts one file in place in one step. Run from a checkout it builds that instead. POSIX sh: dash, busybox, bash, zsh.
#
#   sh install.sh [--prefix DIR] [--version X.Y.Z] [--url URL]      installs DIR/bin/ironclaw (default: ~/.local)
#   sh install.sh --uninstall [--prefix DIR]                        removes it, and says what stays
#
# shellcheck disable=SC2015 # "a && b || die" means what it says: die ends
# Everything is in functions and the last line calls them: a download that was cut short runs nothing.
set -u
LC_ALL=C
export LC_ALL

# Written by `scripts/release.ts --pin`: where releases are, and a line for each key: its id, its 32 bytes, and OpenSSH's form of it.
# pinned: begin
pinned_url=''
pinned_keys=''
# pinned: end

work=''

say() { printf '%s\n' "$*"; }

# What went wrong, and what to do.
die() {
  printf 'Error: %s\n' "$1" >&2
  if [ -n "${2:-}" ]; then printf '%s\n' "$2" >&2; fi
  exit 1
}

usage() {
  say 'Usage: install.sh [--prefix DIR] [--version X.Y.Z] [--url URL] [--uninstall]'
  say ''
  say '  --prefix DIR      put it into DIR/bin (default: ~/.local)'
  say '  --version X.Y.Z   this version or none: fails where the newest release is another'
  say '  --url URL         where releases are (also: IRONCLAW_RELEASE_URL)'
  say '  --uninstall       remove the program, and say what stays'
}

has() { command -v "$1" >/dev/null 2>&1; }

cleanup() {
  if [ -n "$work" ]; then rm -rf "$work"; fi
}

# The checkout that this script lies in; nothing where it came through a pipe or lies elsewhere.
checkout() {
  case ${0##*/} in install.sh) ;; *) return 1 ;; esac
  case $0 in */*) here=${0%/*} ;; *) here=. ;; esac
  [ -f "$here/../package.json" ] && grep -q '"name": "ironclaw"' "$here/../package.json" && [ -f "$here/build.ts" ] || return 1
  (cd "$here/.." && pwd)
}

is_musl() {
  case $(ldd --version 2>&1) in *musl*) return 0 ;; *GLIBC* | *GNU* | *Free\ Software*) return 1 ;; esac
  for loader in /lib/ld-musl-*.so.1; do [ -e "$loader" ] && return 0; done
  return 1
}

# Sets target.
find_target() {
  system=$(uname -s)
  machine=$(uname -m)
  case $system in
    Linux) os=linux ;;
    Darwin) os=darwin ;;
    MINGW* | MSYS* | CYGWIN*) die "This is Windows" "Use install.ps1 in PowerShell, or run this inside WSL." ;;
    *) die "There is no ironclaw for $system" "It runs on Linux, macOS and Windows." ;;
  esac
  case $machine in
    x86_64 | amd64) cpu=x64 ;;
    aarch64 | arm64) cpu=arm64 ;;
    *) die "There is no ironclaw for a $machine processor" "It runs on x64 and arm64." ;;
  esac
  # A 64-bit kernel may have a 32-bit system on it, which cannot start it.
  if [ "$os" = linux ] && has getconf && [ "$(getconf LONG_BIT 2>/dev/null)" = 32 ]; then
    die "This system is a 32-bit one" "It runs on 64-bit systems."
  fi
  # A shell that Rosetta translates says x86_64 on Apple silicon.
  if [ "$os" = darwin ] && [ "$cpu" = x64 ] && [ "$(sysctl -n sysctl.proc_translated 2>/dev/null)" = 1 ]; then cpu=arm64; fi
  target=$os-$cpu
  if [ "$os" = linux ] && is_musl; then target=$target-musl; fi
}

# Releases come by https; a server on this very machine may do without.
judge_url() {
  case $1 in
    *@* | *\ * | *\\*) die "The release address \"$1\" is no plain address" ;;
    https://?*) scheme=https ;;
    http://127.0.0.1 | http://127.0.0.1[:/]* | http://localhost | http://localhost[:/]* | http://\[::1\] | http://\[::1\][:/]*) scheme=http ;;
    http://*) die "The release address $1 is not https" "Only a server on this very machine may be reached without." ;;
    *) die "The release address \"$1\" does not begin with https://" ;;
  esac
}

# download URL FILE [loud]: the whole file, or an end with the reason.
download() {
  status=0
  if has curl; then
    quiet='--silent --show-error'
    if [ -n "${3:-}" ] && [ -t 2 ]; then quiet='--progress-bar'; fi
    # shellcheck disable=SC2086 # words on purpose
    if [ "$quiet" = '--progress-bar' ]; then
      curl --fail --location --proto "=$scheme" --proto-redir "=$scheme" --connect-timeout 20 $quiet --output "$2" "$1" || status=$?
      : >"$work/why"
    else
      curl --fail --location --proto "=$scheme" --proto-redir "=$scheme" --connect-timeout 20 $quiet --output "$2" "$1" 2>"$work/why" || status=$?
    fi
    case $status in
      0) return 0 ;;
      6) die "The name in $1 cannot be found" "Look at the network, and whether the address is right." ;;
      7) die "Nobody answers at $1" "Look at the network, and whether the address is right." ;;
      18) die "$1 was cut short on the way" "Try again." ;;
      22) die "The server does not have $1: $(cat "$work/why")" "Look whether the address is right." ;;
      23) die_of_disk ;;
      28) die "$1 took too long" "Look at the network, then try again." ;;
      35 | 51 | 58 | 60 | 77) die "The connection to $1 is not secure: $(cat "$work/why")" "Somebody may be in between, or this machine lacks certificates (ca-certificates)." ;;
      *) die "$1 could not be downloaded: $(cat "$work/why") (curl ended with $status)" "Look at the network, then try again." ;;
    esac
  fi
  wget -q -O "$2" "$1" 2>"$work/why" || status=$?
  [ "$status" = 0 ] && return 0
  if grep -qi 'no space left' "$work/why"; then die_of_disk; fi
  case $status in
    3) die_of_disk ;;
    5) die "The connection to $1 is not secure: $(cat "$work/why")" "Somebody may be in between, or this machine lacks certificates (ca-certificates)." ;;
    8) die "The server does not have $1" "Look whether the address is right." ;;
    *) die "$1 could not be downloaded: $(cat "$work/why") (wget ended with $status)" "Look at the network, and whether the address is right." ;;
  esac
}

die_of_disk() {
  die "There is no room left in $bin" "Make room, or choose another place with --prefix. Nothing was changed."
}

# Base64 on stdin to bytes.
decode() {
  if has base64; then
    # -d everywhere but on older macOS, where it is -D.
    if printf 'YQ==' | base64 -d >/dev/null 2>&1; then base64 -d; else base64 -D; fi
  else
    openssl base64 -d -A
  fi
}

openssl_can() { has openssl && openssl pkeyutl -help 2>&1 | grep -q -e '-rawin'; }

ssh_can() {
  has ssh-keygen || return 1
  case $(ssh-keygen -Y verify </dev/null 2>&1) in *option*) return 1 ;; esac
}

# signature_of ID FIELD: of the key with this id, from release.json.
signature_of() {
  case $2 in
    ed25519) pick='\1' ;;
    *) pick='\2' ;;
  esac
  sed -n 's|^{"key":"'"$1"'","ed25519":"\([A-Za-z0-9+/=]*\)","sshsig":"\([A-Za-z0-9+/=]*\)"},\{0,1\}$|'"$pick"'|p' "$work/release.json" | head -n 1
}

# is_signed ID RAW SSH: whether this key signed $work/manifest.
is_signed() {
  if [ "$verifier" = openssl ]; then
    signature=$(signature_of "$1" ed25519)
    [ -n "$signature" ] || return 1
    printf '%s' "$signature" | decode >"$work/signature" || return 1
    # The fixed beginning of an ed25519 key in DER (RFC 8410), then the key.
    printf -- '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA%s\n-----END PUBLIC KEY-----\n' "$2" >"$work/key"
    openssl pkeyutl -verify -pubin -inkey "$work/key" -rawin -in "$work/manifest" -sigfile "$work/signature" >/dev/null 2>&1
  else
    signature=$(signature_of "$1" sshsig)
    [ -n "$signature" ] || return 1
    printf -- '-----BEGIN SSH SIGNATURE-----\n%s\n-----END SSH SIGNATURE-----\n' "$signature" >"$work/signature"
    printf 'release namespaces="ironclaw-release" ssh-ed25519 %s\n' "$3" >"$work/key"
    ssh-keygen -Y verify -f "$work/key" -I release -n ironclaw-release -s "$work/signature" <"$work/manifest" >/dev/null 2>&1
  fi
}

# Writes $work/manifest: what release.json says, once a key that is pinned here was found to have signed it.
verify_release() {
  if openssl_can; then
    verifier=openssl
  elif ssh_can; then
    verifier='ssh-keygen'
  else
    die "This machine has nothing that can verify an ed25519 signature, and unverified nothing is installed" \
      "Install OpenSSL 3 (openssl), or OpenSSH 8.1 or newer (openssh-client, openssh-keygen)."
  fi
  signed=$(sed -n 's|^"signed":"\([A-Za-z0-9+/=]*\)",$|\1|p' "$work/release.json")
  [ -n "$signed" ] || die "What $url sent is no release" "Look whether the address is right, and whether a network's sign-in page is in between."
  printf '%s' "$signed" | decode >"$work/manifest" || die "What $url sent is no release"
  verified=no
  while read -r id raw ssh; do
    if [ -n "$id" ] && is_signed "$id" "$raw" "$ssh"; then
      verified=yes
      break
    fi
  done <<KEYS
$pinned_keys
KEYS
  [ "$verified" = yes ] || die "The release at $url is not signed by a key that this script knows" \
    "Nothing was installed. Somebody may have changed it; or the key is a new one, and you need a newer script."
}

field() { sed -n 's|^"'"$1"'":"\{0,1\}\([^",]*\)"\{0,1\},$|\1|p' "$work/manifest" | head -n 1; }

sha256_of() {
  if has sha256sum; then
    sha256sum "$1" | cut -c 1-64
  elif has shasum; then
    shasum -a 256 "$1" | cut -c 1-64
  else
    openssl dgst -sha256 -r "$1" | cut -c 1-64
  fi
}

# Whether the first of two texts comes before the second.
before() { expr "x$1" '<' "x$2" >/dev/null; }

# Brings the newest release to $work/ironclaw.
fetch_release() {
  [ -n "$pinned_keys" ] || die "This copy of the script knows no key by which a release could be verified" \
    "Use the copy that comes with a release, or run it in a checkout, where it builds."
  url=${url%/}
  judge_url "$url"
  has curl || has wget || die "There is neither curl nor wget" "Install one of them."
  has gzip || die "There is no gzip" "Install it."
  find_target
  say "Looking for the newest release for $target"
  download "$url/release.json" "$work/release.json"
  verify_release
  version=$(field version)
  number=$(field number)
  expires=$(field expires)
  [ "$(field product)" = ironclaw ] && [ -n "$version" ] && [ -n "$number" ] && [ -n "$expires" ] || die "What $url describes is no release of ironclaw"
  now=$(date -u +%Y-%m-%dT%H:%M:%S)
  before "$now" "$expires" || die "What $url says of its newest release held until $expires, and it is $now here" \
    "If the clock is right, the server, or somebody in front of it, shows an old state."
  if [ -n "$wanted" ] && [ "$wanted" != "$version" ]; then die "The newest release is $version, not $wanted"; fi
  if [ -x "$dest" ]; then
    installed=$("$dest" --version 2>/dev/null </dev/null | sed -n 's/.*release \([0-9][0-9]*\).*/\1/p')
    if [ -n "$installed" ] && [ "$installed" -gt "$number" ]; then
      die "Release $installed is installed, and $url shows release $number, which is older" "To go back: ironclaw update --rollback"
    fi
  fi
  row=$(sed -n 's|^{"target":"'"$target"'","name":"\([A-Za-z0-9._-]*\)","bytes":\([0-9]*\),"sha256":"\([0-9a-f]*\)","unpacked":\([1-9][0-9]*\)},\{0,1\}$|\1 \2 \3 \4|p' "$work/manifest" | head -n 1)
  [ -n "$row" ] || die "Release $version has no program for $target" "Build it from the sources."
  read -r name bytes sha256 unpacked <<ROW
$row
ROW
  free=$(df -Pk "$work" 2>/dev/null | awk 'NR == 2 { print $4 }')
  needed=$(((bytes + unpacked) / 1024 + 1))
  case $free in '' | *[!0-9]*) ;; *) [ "$free" -ge "$needed" ] || die_of_disk ;; esac
  say "Downloading ironclaw $version ($((bytes / 1000000)) MB)"
  download "$url/$version/$name" "$work/packed" loud
  got=$(wc -c <"$work/packed" | tr -d ' ')
  [ "$got" -ge "$bytes" ] || die "$name was cut short: $got of $bytes bytes came" "Try again."
  [ "$got" -eq "$bytes" ] && [ "$(sha256_of "$work/packed")" = "$sha256" ] || die "$name is not what was signed, and was thrown away" \
    "Try again; if it stays, report it to whoever makes the releases."
  gzip -dc <"$work/packed" >"$work/ironclaw" 2>"$work/why" || die_of_disk
  [ "$(wc -c <"$work/ironclaw" | tr -d ' ')" -eq "$unpacked" ] || die_of_disk
  rm -f "$work/packed"
}

# Builds the checkout to $work/ironclaw.
build_checkout() {
  has node && has npm || die "A checkout is built with Node and npm, and they are not here" "Install Node 18 or newer, or set IRONCLAW_RELEASE_URL to install a release."
  say "Building the checkout $source"
  (cd "$source" && npm run --silent build) || die "The build failed" "The lines above say why."
  cp "$source/dist/ironclaw" "$work/ironclaw" || die_of_disk
  version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' "$source/package.json")
}

# The program must start here and be the one that was meant, before anything is replaced.
try_program() {
  chmod 755 "$work/ironclaw"
  answer=$(env -i HOME="$work" PATH="$PATH" "$work/ironclaw" --version 2>&1 </dev/null) || {
    case $answer in
      *[Pp]ermission\ denied*) die "Programs in $bin may not be run (it may be mounted noexec)" "Choose another place with --prefix." ;;
      *libstdc++* | *libgcc*) die "The program does not start here: $answer" "Install its libraries: apk add libstdc++ libgcc" ;;
      *llegal\ instruction*) die "This processor lacks instructions that the program uses (AVX2)" "Build it from the sources, on a Bun for older processors." ;;
      *) die "The program does not start here: $answer" ;;
    esac
  }
  case $answer in "ironclaw $version "*) ;; *) die "The program says that it is \"$answer\", not ironclaw $version" ;; esac
}

# One step: whoever starts it gets the old one or the new one, and the old one is kept for `ironclaw update --rollback`.
put_in_place() {
  replaced=no
  if has cmp && cmp -s "$dest" "$work/ironclaw"; then return; fi # the same again: what is kept stays the version before
  sync "$work/ironclaw" 2>/dev/null || sync # on the disk before it has the name
  if [ -f "$dest" ]; then
    replaced=yes
    # A link costs nothing; mv refuses it where another install has just kept the very same file, and a copy does then.
    if ! { ln "$dest" "$work/previous" && mv -f "$work/previous" "$bin/.ironclaw.previous"; } 2>/dev/null; then
      rm -f "$work/previous"
      cp -p "$dest" "$work/previous" || die_of_disk
      mv -f "$work/previous" "$bin/.ironclaw.previous" || die "$bin/.ironclaw.previous could not be written"
    fi
  fi
  mv -f "$work/ironclaw" "$dest" || die "$dest could not be written"
}

tell() {
  say "$dest is ironclaw $version"
  case ":${PATH:-}:" in
    *":$bin:"*) ;;
    *) say "It is not on your PATH yet. Add this line to your shell's start file (~/.profile, ~/.bashrc, ~/.zshrc):"
      say "  export PATH=\"$bin:\$PATH\"" ;;
  esac
  case ${SHELL:-} in
    */bash) say 'Completion:  ironclaw completion bash > ~/.local/share/bash-completion/completions/ironclaw' ;;
    */zsh) say "Completion:  ironclaw completion zsh > \"\${fpath[1]}/_ironclaw\"" ;;
    */fish) say 'Completion:  ironclaw completion fish > ~/.config/fish/completions/ironclaw.fish' ;;
  esac
  if [ "$replaced" = yes ]; then
    say 'A service that runs stays the old one until it is restarted. The version before is kept:  ironclaw update --rollback'
  else
    say 'Start it:  ironclaw'
  fi
}

uninstall() {
  if [ ! -e "$dest" ] && [ ! -h "$dest" ]; then
    say "There is no ironclaw in $bin"
  else
    rm -f "$dest" || die "$dest could not be removed"
    say "Removed $dest"
  fi
  rm -rf "$bin/.ironclaw.previous" "$bin"/.ironclaw-install.* "$bin"/.ironclaw-update.*
  home=${IRONCLAW_HOME:-$HOME/.ironclaw}
  if [ -d "$home" ]; then
    say "What stays is yours: $home ($(du -sh "$home" 2>/dev/null | cut -f 1)) with your conversations, memory, secrets and backups."
    say "To remove that too, for good: rm -r '$home'"
    say 'If your keychain held the key of its secrets, an entry named "ironclaw" stays there.'
  fi
  unit=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user/ironclaw.service
  if [ -f "$unit" ]; then say "A service unit stays: $unit"; fi
}

main() {
  prefix=''
  wanted=''
  remove=no
  url=${IRONCLAW_RELEASE_URL:-}
  while [ $# -gt 0 ]; do
    case $1 in
      --prefix | --version | --url)
        [ $# -ge 2 ] && [ -n "$2" ] || die "$1 needs a value" "install.sh --help shows how it is used."
        case $1 in --prefix) prefix=$2 ;; --version) wanted=$2 ;; --url) url=$2 ;; esac
        shift ;;
      --prefix=*) prefix=${1#*=} ;;
      --version=*) wanted=${1#*=} ;;
      --url=*) url=${1#*=} ;;
      --uninstall) remove=yes ;;
      -h | --help) usage; exit 0 ;;
      *) die "There is no option \"$1\"" "install.sh --help shows how it is used." ;;
    esac
    shift
  done
  if [ -z "$prefix" ]; then
    [ -n "${HOME:-}" ] || die "HOME is not set" "Say where to with --prefix."
    prefix=$HOME/.local
  fi
  case $prefix in /*) ;; *) prefix=$(pwd)/$prefix ;; esac
  : "${HOME:=$prefix}"
  bin=${prefix%/}/bin
  dest=$bin/ironclaw
  if [ "$remove" = yes ]; then uninstall; exit 0; fi

  source=''
  if [ -z "$url" ]; then source=$(checkout) || source=''; fi
  if [ -z "$source" ]; then
    url=${url:-$pinned_url}
    [ -n "$url" ] || die "No release address is known" "Name it with --url, or in IRONCLAW_RELEASE_URL."
  fi
  [ ! -d "$dest" ] || die "$dest is a folder" "Choose another place with --prefix."
  mkdir -p "$bin" 2>/dev/null || die "The folder $bin could not be made" "Choose another place with --prefix; no root is needed."
  [ -w "$bin" ] || die "The folder $bin is not writable for you" "Choose another place with --prefix; no root is needed."
  trap cleanup EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  # What an install that was killed left behind, a day ago or longer.
  find "$bin/" -name '.ironclaw-install.*' -prune -mtime +0 -exec rm -rf {} + 2>/dev/null
  # In the folder itself: a rename within one file system is one step.
  work=$(mktemp -d "$bin/.ironclaw-install.XXXXXX" 2>/dev/null) || { work=''; die_of_disk; }
  if [ -n "$source" ]; then build_checkout; else fetch_release; fi
  try_program
  put_in_place
  tell
}

main "$@"
