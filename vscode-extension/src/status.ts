/** The status bar item: state and generation at a glance, the reason on hover. */
import { type Disposable, StatusBarAlignment, ThemeColor, window } from "vscode";

/** The language server's states, as in `lsp/status.py`, and our own: it does not run. */
type State = "starting" | "ready" | "working" | "excluded" | "disabled" | "error" | "stopped";

/** What the language server says of itself in the notification `unsay/status`. */
export interface Status {
  readonly state: State;
  readonly generation?: string | null;
  readonly message: string;
  /** What the guard did last. */
  readonly lastAction?: { readonly action: string; readonly rule: string; readonly reason: string } | null;
}

const ICONS: Readonly<Record<State, string>> = {
  starting: "loading~spin",
  ready: "check",
  working: "ellipsis",
  excluded: "lock",
  disabled: "circle-slash",
  error: "warning",
  stopped: "error",
};

export class StatusItem implements Disposable {
  readonly #item = window.createStatusBarItem("unsay.status", StatusBarAlignment.Right, 100);

  constructor(click: string) {
    this.#item.name = "Unsay";
    this.#item.command = click;
    this.#item.show();
  }

  show({ state, generation, message, lastAction }: Status): void {
    const said = [state, generation?.split("-")[0]].filter(Boolean).join(", ");
    const last = lastAction && `Last ${lastAction.action}: ${lastAction.reason} (${lastAction.rule})`;
    const isUnwell = state === "error" || state === "stopped";
    this.#item.text = `$(${ICONS[state]}) Unsay: ${said}`;
    this.#item.tooltip = [message, generation && `Generation: ${generation}`, last].filter(Boolean).join("\n");
    this.#item.accessibilityInformation = { label: `Unsay: ${said}` };
    this.#item.backgroundColor = isUnwell ? new ThemeColor("statusBarItem.warningBackground") : undefined;
  }

  dispose(): void {
    this.#item.dispose();
  }
}
