/** Unsay in VS Code: starts the language server and shows what it says. All logic is in Python. */
import { type ExtensionContext, window, workspace } from "vscode";
import { registerMenu, SHOW_STATUS } from "./menu";
import { Server } from "./server";
import { START_SETTINGS } from "./settings";
import { StatusItem } from "./status";

export async function activate(context: ExtensionContext): Promise<void> {
  const log = window.createOutputChannel("Unsay", { log: true });
  const status = new StatusItem(SHOW_STATUS);
  const server = new Server(log, status);
  const settingsChanged = workspace.onDidChangeConfiguration((change) => {
    if (START_SETTINGS.some((name) => change.affectsConfiguration(name))) void server.restart();
  });
  context.subscriptions.push(log, status, server, settingsChanged, ...registerMenu(server));
  await server.restart();
}
