/** What a person can choose, and the language server's command behind it. */
import { commands, type Disposable, window } from "vscode";
import type { Server } from "./server";
import type { Status } from "./status";

export const SHOW_STATUS = "unsay.menu.status";

/** Ours: the language server's. The ids differ, for the client registers the server's own by itself. */
const FORWARDED: Readonly<Record<string, string>> = {
  "unsay.menu.unsayLast": "unsay.unsayLast",
  "unsay.menu.takeBack": "unsay.takeBack",
  "unsay.menu.explain": "unsay.explain",
  "unsay.menu.allowOnce": "unsay.allowOnce",
  "unsay.menu.refresh": "unsay.refresh",
};

const EXPLAIN = "Explain the last block";

export function registerMenu(server: Server): Disposable[] {
  const forwarded = Object.entries(FORWARDED).map(([ours, theirs]) =>
    commands.registerCommand(ours, () => server.execute(theirs)),
  );
  return [
    ...forwarded,
    commands.registerCommand("unsay.menu.unsaySelection", () => unsaySelection(server)),
    commands.registerCommand(SHOW_STATUS, () => showStatus(server)),
    commands.registerCommand("unsay.menu.restart", () => server.restart()),
  ];
}

async function unsaySelection(server: Server): Promise<void> {
  const editor = window.activeTextEditor;
  if (editor === undefined || editor.selection.isEmpty) {
    void window.showInformationMessage("Select the text that Unsay should not say again.");
    return;
  }
  const { start, end } = editor.selection; // VS Code's positions are the protocol's: UTF-16 units
  await server.execute("unsay.unsaySelection", editor.document.uri.toString(), { start, end });
}

async function showStatus(server: Server): Promise<void> {
  const status = await server.execute<Status>("unsay.status");
  if (status === undefined) return; // why not has been shown
  const choice = await window.showInformationMessage(`Unsay: ${status.message}`, EXPLAIN);
  if (choice === EXPLAIN) await server.execute("unsay.explain");
}
