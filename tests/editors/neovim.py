"""A real Neovim without a screen, with the language server attached; driven over its socket."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from editors.installation import until
from editors.toolbox import NEOVIM, clean_environment

INIT = """
vim.opt.swapfile = false
vim.opt.autoindent = false
vim.o.completeopt = 'menuone,noselect,popup'
vim.lsp.config('unsay', {{
  cmd = {{ {python}, '-I', '-m', 'unsay', 'lsp' }},
  filetypes = {{ 'python' }},
  root_dir = {workspace},
}})
vim.lsp.enable('unsay')
vim.cmd('filetype plugin on | filetype indent off')
vim.api.nvim_create_autocmd('LspAttach', {{ callback = function(event)
  vim.lsp.completion.enable(true, event.data.client_id, event.buf, {{ autotrigger = false }})
  vim.g.attached = 1
end }})
"""


class Neovim:
    """One Neovim. Keys go in as `nvim_input` writes them (`<Esc>`), Lua comes back as JSON."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def keys(self, keys: str) -> None:
        self._remote("--remote-send", keys)

    def lua(self, expression: str) -> Any:
        """The value of a Lua expression inside Neovim."""
        quoted = expression.replace("'", "''")
        return json.loads(self._remote("--remote-expr", f"json_encode(luaeval('{quoted}'))"))

    def lines(self) -> list[str]:
        """The text of the buffer."""
        return self.lua("vim.api.nvim_buf_get_lines(0, 0, -1, true)")

    def menu(self, wait_s: float = 20.0) -> list[str]:
        """Ask for completion here until a list opens; its words, none if none does in time."""
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            self.lua("vim.lsp.completion.get()")
            time.sleep(0.5)
            if self.lua("vim.fn.pumvisible() == 1"):
                return [item["abbr"] for item in self.lua("vim.fn.complete_info().items")]
        return []

    def _remote(self, *order: str) -> str:
        asked = subprocess.run(
            [NEOVIM, "--clean", "--headless", "--server", str(self._socket), *order],
            capture_output=True,
            text=True,
            timeout=30,
            env=clean_environment(),
        )
        assert asked.returncode == 0, asked.stderr
        return asked.stdout


@contextmanager
def neovim(folder: Path, python: str, home: Path, file: Path) -> Generator[Neovim]:
    """Neovim editing `file`, with the language server of `python` and `home` attached."""
    init, socket = folder / "init.lua", folder / "nvim.sock"
    init.write_text(INIT.format(python=json.dumps(python), workspace=json.dumps(str(file.parent))))
    editor = subprocess.Popen(
        [NEOVIM, "--headless", "--listen", str(socket), "-u", str(init), str(file)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=clean_environment(UNSAY_HOME=str(home)),
    )
    try:
        until(socket.exists, "Neovim")
        driven = Neovim(socket)
        until(lambda: driven.lua("vim.g.attached == 1"), "the language server in Neovim")
        yield driven
    finally:
        editor.terminate()
        editor.wait(timeout=10)
