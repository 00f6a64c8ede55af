/** The language server's life: started, asked, restarted, stopped, never two at once. */
import { commands, type Disposable, type LogOutputChannel, window } from "vscode";
import {
  type ConfigurationMiddleware,
  LanguageClient,
  NotificationType,
  State,
} from "vscode-languageclient/node";
import { whyNot } from "./interpreter";
import { forServer, readSettings, type Settings } from "./settings";
import type { Status, StatusItem } from "./status";

const EXECUTE = "workspace/executeCommand";
const TAKEN_BACK = new NotificationType<{ readonly isShown: boolean }>("unsay/takenBack");
const STATUS = new NotificationType<Status>("unsay/status");
/** Answers the language server's question for the section. */
const CONFIGURATION: ConfigurationMiddleware["configuration"] = async (params, token, next) => {
  const sections = await next(params, token);
  return Array.isArray(sections) ? sections.map(forServer) : sections;
};

const OPEN_SETTING = "Open the setting";
const STOPPED = "Unsay's language server is not running: see the output channel Unsay for the reason.";
const STOP_LIMIT_MS = 3_000;

export class Server implements Disposable {
  readonly #log: LogOutputChannel;
  readonly #status: StatusItem;
  #client: LanguageClient | undefined;
  #stopped = STOPPED;
  #turn: Promise<void> = Promise.resolve();

  constructor(log: LogOutputChannel, status: StatusItem) {
    this.#log = log;
    this.#status = status;
  }

  /** Start, or start again with the settings as they are now; calls made meanwhile wait their turn. */
  restart(): Promise<void> {
    this.#turn = this.#turn.then(async () => {
      await this.#stop();
      await this.#start(readSettings());
    });
    return this.#turn;
  }

  /** What one of the language server's commands answers; undefined when it could not be run, which is shown. */
  async execute<Answer>(command: string, ...args: readonly unknown[]): Promise<Answer | undefined> {
    await this.#turn;
    if (this.#client?.state !== State.Running) {
      await this.#failed(this.#stopped);
      return undefined;
    }
    try {
      const answer: Answer | null = await this.#client.sendRequest(EXECUTE, { command, arguments: args });
      return answer ?? undefined;
    } catch (error) {
      void window.showErrorMessage(error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }

  async dispose(): Promise<void> {
    await this.#turn;
    await this.#stop();
  }

  async #start(settings: Settings): Promise<void> {
    this.#stopped = STOPPED;
    this.#status.show({ state: "starting", message: "The language server is being started." });
    const reason = await whyNot(settings.python);
    if (reason !== undefined) {
      void this.#failed(reason);
      return;
    }
    this.#client = this.#newClient(settings);
    try {
      await this.#client.start();
    } catch (error) {
      this.#log.error(error instanceof Error ? error : String(error));
      void this.#failed("Unsay's language server did not start: see the output channel Unsay for the reason.");
    }
  }

  #newClient(settings: Settings): LanguageClient {
    const env = settings.home === undefined ? process.env : { ...process.env, UNSAY_HOME: settings.home };
    const run = { command: settings.python, args: ["-I", "-m", "unsay", "lsp"], options: { env } };
    const client = new LanguageClient("unsay", "Unsay", run, {
      documentSelector: [{ scheme: "file" }, { scheme: "untitled" }],
      initializationOptions: settings.section,
      middleware: { workspace: { configuration: CONFIGURATION } },
      outputChannel: this.#log,
    });
    client.onNotification(STATUS, (status) => this.#status.show(status));
    client.onNotification(TAKEN_BACK, ({ isShown }) => {
      if (isShown) void commands.executeCommand("editor.action.inlineSuggest.hide");
    });
    client.onDidChangeState(({ newState }) => {
      if (newState === State.Stopped) this.#status.show({ state: "stopped", message: STOPPED });
    });
    return client;
  }

  async #stop(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    // one that never ran, or is just being started again after a crash, refuses to be stopped
    await client?.dispose(STOP_LIMIT_MS).catch((reason: unknown) => this.#log.debug(String(reason)));
  }

  async #failed(message: string): Promise<void> {
    this.#stopped = message;
    this.#status.show({ state: "stopped", message });
    const choice = await window.showErrorMessage(message, OPEN_SETTING);
    if (choice === OPEN_SETTING) {
      await commands.executeCommand("workbench.action.openSettings", "unsay.pythonPath");
    }
  }
}
