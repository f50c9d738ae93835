// A browser that a test steers: a command a line comes in as JSON, and a line with its answer goes out.
//
// {"do": "open", "page": "alice", …} makes a page with a session of its own; every other command names a page
// and what to do on it. Waiting is done here, with a deadline for each command, so that tests never sleep.
import { mkdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { axe, launch } from "./chromium.mjs";

const DEADLINE = 10_000;

const browser = await launch();
const pages = new Map();

const on = (name) => {
  const page = pages.get(name);
  if (!page) throw new Error(`no page is called ${name}: open it first`);
  return page;
};

// As it reads, whatever it is broken by.
const tidy = (text) => text.replace(/\s+/g, " ").trim();

const commands = {
  // A new page: in the session of `beside`, if that is given, else in one of its own.
  async open({ page, base, width = 1280, height = 800, script = true, beside }) {
    const context = beside ? on(beside).context() : await browser.newContext({
      baseURL: base, viewport: { width, height }, javaScriptEnabled: script, reducedMotion: "reduce",
    });
    const opened = await context.newPage();
    opened.setDefaultTimeout(DEADLINE);
    // Dialogs are what an injected script would show; and no page of ours may fail silently.
    opened.faults = [];
    opened.on("dialog", (dialog) => { opened.faults.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
    opened.on("pageerror", (error) => opened.faults.push(`script: ${error.message}`));
    opened.on("console", (message) => {
      if (message.text().includes("Content Security Policy")) opened.faults.push(message.text());
    });
    pages.set(page, opened);
  },
  async goto({ page, path }) {
    const answer = await on(page).goto(path);
    return answer?.status() ?? 0;
  },
  async reload({ page }) { await on(page).reload(); },
  async click({ page, selector }) { await on(page).click(selector); },
  async fill({ page, selector, value }) { await on(page).fill(selector, value); },
  async choose({ page, selector, value }) { await on(page).selectOption(selector, { label: value }); },
  async check({ page, selector }) { await on(page).check(selector); },
  async press({ page, key }) { await on(page).keyboard.press(key); },
  async type({ page, value }) { await on(page).keyboard.type(value); },
  async text({ page, selector }) { return tidy(await on(page).locator(selector).first().innerText()); },
  async texts({ page, selector }) { return (await on(page).locator(selector).allInnerTexts()).map(tidy); },
  async value({ page, selector }) { return on(page).inputValue(selector); },
  async count({ page, selector }) { return on(page).locator(selector).count(); },
  async path({ page }) { const url = new URL(on(page).url()); return url.pathname + url.search; },
  // What the keyboard would act on: its tag, and what it is called.
  async focus({ page }) {
    return on(page).evaluate(() => {
      const it = document.activeElement;
      const called = it.labels?.[0]?.innerText ?? it.getAttribute("aria-label") ?? it.innerText ?? "";
      return `${it.tagName.toLowerCase()} ${called.trim()}`;
    });
  },
  // Waits until something is there, and says this.
  async see({ page, selector, text = "", within = DEADLINE }) {
    await on(page).locator(selector).filter({ hasText: text }).first().waitFor({ timeout: within });
  },
  async gone({ page, selector, within = DEADLINE }) {
    await on(page).locator(selector).first().waitFor({ state: "hidden", timeout: within });
  },
  // How far what is on the page sticks out of it to the right, in pixels.
  async overflow({ page }) {
    return on(page).evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  },
  // Scripts that failed, dialogs that opened, policies that were broken.
  async faults({ page }) { return on(page).faults; },
  // What an accessibility checker finds to be serious, one line for each place.
  async axe({ page }) {
    const results = await on(page).evaluate(`${axe()}; axe.run(document, { resultTypes: ["violations"] })`);
    const serious = results.violations.filter(({ impact }) => impact === "serious" || impact === "critical");
    return serious.flatMap(({ id, help, nodes }) => nodes.map(({ html }) => `${id}: ${help}: ${html}`));
  },
  async screenshot({ page, file }) { await on(page).screenshot({ path: file, fullPage: true }); },
  // Pictures of all pages, for a test that fails.
  async screenshots({ folder, name }) {
    mkdirSync(folder, { recursive: true });
    const files = [];
    for (const [page, opened] of pages) {
      const file = `${folder}/${name}-${page}.png`;
      await opened.screenshot({ path: file, fullPage: true }).then(() => files.push(file), () => {});
    }
    return files;
  },
};

const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

answer({ ok: "ready" });
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  try {
    answer({ ok: (await commands[command.do](command)) ?? null });
  } catch (error) {
    answer({ error: error.message ?? String(error) });
  }
}
await browser.close();
