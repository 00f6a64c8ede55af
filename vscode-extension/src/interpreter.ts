/** Whether a Python interpreter can start Unsay, and what to tell the person if not. */
import { execFile } from "node:child_process";

const PROBE = [
  "import importlib.util, sys",
  "sys.exit(3 if sys.version_info < (3, 11) else 4 if importlib.util.find_spec('unsay') is None else 0)",
].join("; ");

const PROBE_LIMIT_MS = 20_000; // the first start of a Python on a cold disk takes seconds

/** Undefined if `<python> -I -m unsay` can be started, else one sentence that says what to do. */
export function whyNot(python: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(python, ["-I", "-c", PROBE], { timeout: PROBE_LIMIT_MS }, (error) => {
      resolve(error === null ? undefined : explain(python, error.code));
    });
  });
}

function explain(python: string, code: string | number | null | undefined): string {
  switch (code) {
    case 3:
      return `Unsay needs Python 3.11 or newer, and ${python} is older: name a newer one in the setting unsay.pythonPath.`;
    case 4:
      return `Unsay is not installed for ${python}: run "${python} -m pip install unsay", or name the Python that has it in the setting unsay.pythonPath.`;
    case "ENOENT":
    case "EACCES":
      return `Unsay cannot run ${python}: name a Python 3.11 or newer that has Unsay in the setting unsay.pythonPath.`;
    default:
      return `Unsay could not try ${python} (${code ?? "it did not answer"}): name a Python 3.11 or newer that has Unsay in the setting unsay.pythonPath.`;
  }
}
