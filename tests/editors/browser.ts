/**
 * A pair of hands in VS Code's window: reads one order a line on standard input, answers with one line.
 *
 * Knows where VS Code shows things, and nothing of what a test wants. Node runs it as it stands.
 */
import { createInterface } from "node:readline";
import { chromium, type Locator, type Page } from "playwright-core";

const PATIENCE_MS = 45_000; // a busy machine of two cores takes half a minute to show a window
const KEY_MS = 30; // a quick typist; slower makes the tests longer, not truer

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

type Order = { readonly verb: string; readonly text: string; readonly wait_ms?: number };
type Verb = (page: Page, order: Order) => Promise<string | null>;

const VERBS: Readonly<Record<string, Verb>> = {
  visit: async (page, { text }) => {
    await page.goto(text);
    await page.getByRole("treeitem").first().waitFor();
    return null;
  },
  open: async (page, { text }) => {
    await page.getByRole("treeitem", { name: text }).dblclick();
    await page.getByRole("tab", { name: text }).waitFor();
    await page.locator(".monaco-editor .view-lines").first().click();
    return null;
  },
  type: async (page, { text }) => {
    await page.keyboard.type(text, { delay: KEY_MS });
    return null;
  },
  press: async (page, { text }) => {
    await page.keyboard.press(text);
    return null;
  },
  /** The grey text at the cursor; null if none comes in time. */
  ghost: async (page, { wait_ms }) => {
    const ghost = page.locator(".ghost-text-decoration, .ghost-text");
    return (await appears(ghost.first(), wait_ms)) ? (await ghost.allInnerTexts()).join("") : null;
  },
  /** The message box that holds a text; null if none comes in time. */
  message: async (page, { text, wait_ms }) => {
    const message = page.locator(".notification-list-item-message", { hasText: text }).first();
    return (await appears(message, wait_ms)) ? message.innerText() : null;
  },
  palette: async (page, { text }) => {
    await page.keyboard.press("F1");
    await page.keyboard.type(text);
    await page.locator(".quick-input-list .monaco-list-row", { hasText: text }).first().click();
    return null;
  },
  menu: async (page, { text }) => {
    await page.keyboard.press("Shift+F10");
    await page.locator(".monaco-menu .action-label", { hasText: text }).first().hover();
    await page.keyboard.press("Enter"); // a click so soon after the menu opened is taken for a slip
    return null;
  },
  lightbulb: async (page, { text }) => {
    const action = page.locator(".action-widget .action", { hasText: text }).first();
    for (let tries = 0; tries < 6; tries++) {
      await page.keyboard.press("Control+."); // closes again by itself when something else is shown
      if (await appears(action, 5_000)) return action.click().then(() => null);
      await page.keyboard.press("Escape");
    }
    throw new Error("no such action was offered");
  },
  status: async (page) => {
    return page.locator(".statusbar-item", { hasText: "Unsay" }).first().innerText();
  },
  click_status: async (page) => {
    await page.locator(".statusbar-item", { hasText: "Unsay" }).first().click();
    return null;
  },
  screenshot: async (page, { text }) => {
    await page.screenshot({ path: text });
    return null;
  },
};

async function appears(what: Locator, wait_ms: number | undefined): Promise<boolean> {
  try {
    await what.waitFor({ timeout: wait_ms ?? PATIENCE_MS });
    return true;
  } catch {
    return false;
  }
}

async function main(chrome: string): Promise<void> {
  const browser = await chromium.launch({ executablePath: chrome, headless: true, args: FLAGS });
  const context = await browser.newContext({ viewport: { width: 1200, height: 760 } });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line) as Order;
    const verb = VERBS[order.verb];
    if (verb === undefined) throw new Error(`no verb ${order.verb}`);
    const answer = await verb(page, order).then(
      (said) => ({ said }),
      (error: unknown) => ({ failed: String(error) }),
    );
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  await browser.close();
}

await main(process.argv[2] ?? "chromium");
