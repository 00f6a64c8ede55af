/** The settings that the extension itself needs; the language server reads the others. */
import { workspace } from "vscode";

const SECTION = "unsay";

/** Settings that decide how the language server is started: a change restarts it. */
export const START_SETTINGS = ["unsay.pythonPath", "unsay.home"] as const;

export interface Settings {
  readonly python: string;
  /** Where Unsay keeps its state; undefined leaves it to Unsay. */
  readonly home: string | undefined;
  /** The section as the language server takes it. */
  readonly section: object;
}

export function readSettings(): Settings {
  const section = workspace.getConfiguration(SECTION);
  return {
    python: section.get<string>("pythonPath")?.trim() || "python3",
    home: section.get<string>("home")?.trim() || undefined,
    section: forServer(section),
  };
}

/** The section less the home, which the language server is told through its environment. */
export function forServer(section: object): object {
  return { ...section, home: undefined };
}
